"""One file per optimizer: the only place where formulas are."""

from fastopt.optimizers.adadelta import Adadelta
from fastopt.optimizers.adagrad import Adagrad
from fastopt.optimizers.adam import Adam
from fastopt.optimizers.adamw import AdamW
from fastopt.optimizers.asgd import ASGD
from fastopt.optimizers.lion import Lion
from fastopt.optimizers.momentum import Momentum
from fastopt.optimizers.nadam import NAdam
from fastopt.optimizers.nag import NAG
from fastopt.optimizers.normalized_gd import NormalizedGD
from fastopt.optimizers.radam import RAdam
from fastopt.optimizers.rmsprop import RMSprop
from fastopt.optimizers.rprop import Rprop
from fastopt.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from fastopt.optimizers.schedule_free_sgd import ScheduleFreeSGD
from fastopt.optimizers.sgd import SGD

__all__ = [
    "ASGD",
    "NAG",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Momentum",
    "NAdam",
    "NormalizedGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
]
