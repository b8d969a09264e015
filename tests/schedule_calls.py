"""Calls of every schedule, for comparison with optax and for tests of them as objects."""

from __future__ import annotations

import numpy as np

COUNTS = np.arange(700)

SGDR = (
    {"init_value": 0.1, "peak_value": 0.3, "warmup_steps": 5, "decay_steps": 70, "end_value": 0.02},
    {"init_value": 0.2, "peak_value": 0.25, "warmup_steps": 0, "decay_steps": 90, "exponent": 2.0},
    {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 89, "decay_steps": 90},
)
SCALES = {50: 0.3, 90: 0.5, 30: 2.0, 400: 0.1}

# (name, arguments); all arguments away from their defaults in some of them, and what is a degenerate case
CALLS = [
    ("constant_schedule", (0.3,)),
    ("linear_schedule", (0.1, 0.3, 300, 7)),
    ("linear_schedule", (0.0, 0.3, 300)),
    ("linear_schedule", (-0.5, -0.1, 1, 0)),
    ("linear_schedule", (0.1, 0.3, 0, 7)),
    ("linear_schedule", (0.1, 0.3, -5, 7)),
    ("linear_schedule", (0.1, 0.3, 20, -7)),
    ("polynomial_schedule", (0.3, 0.0, 2.5, 300, 7)),
    ("polynomial_schedule", (0.1, 0.7, 0.5, 200)),
    ("polynomial_schedule", (0.1, 0.7, 0, 200, 3)),
    ("polynomial_schedule", (0.1, 0.7, 3, -1, 3)),
    ("cosine_decay_schedule", (0.3, 200)),
    ("cosine_decay_schedule", (0.3, 200, 0.1, 1.7)),
    ("cosine_decay_schedule", (0.3, 200, 1.5, 0.3)),
    ("cosine_decay_schedule", (0.3, 1, 0.1)),
    ("exponential_decay", (0.3, 17, 0.9)),
    ("exponential_decay", (0.3, 17, 0.9, 5, False, 0.01)),
    ("exponential_decay", (0.3, 17, 0.9, 5, True, 0.01)),
    ("exponential_decay", (0.3, 17, 1.2, 5, True, 7.0)),
    ("exponential_decay", (0.3, 17, 1.2, -5, False)),
    ("exponential_decay", (0.3, 17, 0.9, 5, False, 0.5)),
    ("exponential_decay", (0.3, 17, 1.2, 5, False, 0.2)),
    ("exponential_decay", (-0.3, 17, 0.9, 5)),
    ("exponential_decay", (0.0, 17, 1.2, 5)),
    ("exponential_decay", (0.3, 0, 0.9, 5, False, 0.5)),
    ("exponential_decay", (0.3, 17, 0.0, 5, False, 0.5)),
    ("exponential_decay", (0.3, 17, 1.0, 5, False, 0.5)),
    ("piecewise_constant_schedule", (0.3,)),
    ("piecewise_constant_schedule", (0.3, SCALES)),
    ("piecewise_constant_schedule", (-0.3, {0: 0.5, 1: 0.0})),
    ("piecewise_interpolate_schedule", ("linear", 0.3)),
    ("piecewise_interpolate_schedule", ("linear", 0.3, SCALES)),
    ("piecewise_interpolate_schedule", ("cosine", 0.3, SCALES)),
    ("piecewise_interpolate_schedule", ("cosine", 0.3, {0: 0.5, 1: 3.0, 200: 0.0})),
    ("linear_onecycle_schedule", (400, 0.3)),
    ("linear_onecycle_schedule", (403, 0.3, 0.2, 0.7, 10.0, 1e3)),
    ("linear_onecycle_schedule", (1, 0.3)),
    ("linear_onecycle_schedule", (2, 0.3)),
    ("linear_onecycle_schedule", (40, 0.3, 0.0, 1.0)),
    ("cosine_onecycle_schedule", (200, 0.3)),
    ("cosine_onecycle_schedule", (203, 0.3, 0.2, 10.0, 1e3)),
    ("cosine_onecycle_schedule", (1, 0.3)),
    ("cosine_onecycle_schedule", (40, 0.3, 1.0)),
    ("warmup_constant_schedule", (0.1, 0.3, 100)),
    ("warmup_constant_schedule", (0.1, 0.3, 0)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 50, 300)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 50, 300, 0.01, 1.5)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 0, 300, 0.5)),
    ("warmup_cosine_decay_schedule", (0.1, 0.3, 1, 2)),
    ("warmup_cosine_decay_schedule", (0.1, 0.0, 50, 300, 0.01)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 50, 40, 0.7)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 50, 40, 0.7, 3, True, 0.01)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 0, 40, 1.1, 3, False, 1.0)),
    ("warmup_exponential_decay_schedule", (0.1, 0.3, 5, 0, 1.1)),
    ("sgdr_schedule", (SGDR,)),
    ("sgdr_schedule", (SGDR[:1],)),
]  # fmt: skip
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(CALLS)]
