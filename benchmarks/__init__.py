"""Measurements; run one with ``python -m benchmarks.NAME``."""

from benchmarks.pinning import pin_threads

pin_threads()
