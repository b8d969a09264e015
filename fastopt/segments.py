"""What compiled code reads of a schedule: a table of segments, and a plan of where its values go.

A schedule is data, not code, so that all schedules share one compiled function and none of them makes a
kernel compile anew.
"""

# Columns of a schedule's segments, float64. A segment holds from the count BEGIN until the next one begins, the
# last for ever; within it the value moves one way, from INIT towards END.
BEGIN, KIND, INIT, END, STEPS, SHAPE = range(6)
COLUMNS = 6

# Kinds. With x the part of STEPS that is done, from 0 to 1, the weight of INIT against END is
# POLYNOMIAL (1 - x)**SHAPE    MIRRORED 1 - x**SHAPE    COSINE ((1 + cos(pi x)) / 2)**SHAPE
# and the value of the others is INIT * SHAPE**(elapsed / STEPS), no farther than END; STAIRCASE rounds that
# exponent down.
POLYNOMIAL, MIRRORED, COSINE, EXPONENTIAL, STAIRCASE = range(5)
KINDS = 5

# Columns of a plan, int64: the tensors FIRST to LAST (exclusive) get in word WORD of their header row the value
# of the schedule whose ROWS segments start at ADDRESS.
FIRST, LAST, WORD, ADDRESS, ROWS = range(5)
