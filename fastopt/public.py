"""What `fastopt` exports, all in one place: see `fastopt.__getattr__`."""

from fastopt import optimizers, scalar, schedules, smoothing, wrappers
from fastopt.buffers import FlatBuffer
from fastopt.contract import check
from fastopt.drivers.threads import get_num_threads, set_num_threads
from fastopt.hyperparameters import Interval
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.optimizers import *  # noqa: F403
from fastopt.slots import Slot
from fastopt.step_info import StepInfo
from fastopt.wrappers import *  # noqa: F403

__all__ = [
    "FlatBuffer",
    "Interval",
    "Measure",
    "Optimizer",
    "Slot",
    "StepInfo",
    "check",
    "get_num_threads",
    "optimizers",
    "scalar",
    "schedules",
    "set_num_threads",
    "smoothing",
    "wrappers",
    *optimizers.__all__,
    *wrappers.__all__,
]
