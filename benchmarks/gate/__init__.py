"""The gate: whether this commit's steps take longer than another's, measured so that noise cannot trip it.

Two processes, one with each commit's fastopt, are told to measure in turn. See docs/tracking.md.
"""
