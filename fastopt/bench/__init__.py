"""Measuring steps so that the figures mean something on a machine that does other things too.

What is compared runs in turn in one process, and is told as a fraction of the step's traffic twin
(`fastopt.measure.Twin`), the limit that memory sets. Used by ``fastopt bench``, and by fastopt's own benchmarks.
"""
