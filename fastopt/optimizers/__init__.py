"""One file per optimizer: the only place where formulas are."""

from fastopt.optimizers.acprop import ACProp
from fastopt.optimizers.adabelief import AdaBelief
from fastopt.optimizers.adabound import AdaBound
from fastopt.optimizers.adadelta import Adadelta
from fastopt.optimizers.adafactor import Adafactor
from fastopt.optimizers.adagrad import Adagrad
from fastopt.optimizers.adam import Adam
from fastopt.optimizers.adamax import Adamax
from fastopt.optimizers.adamw import AdamW
from fastopt.optimizers.adan import Adan
from fastopt.optimizers.addsign import AddSign
from fastopt.optimizers.ademamix import AdEMAMix
from fastopt.optimizers.adopt import ADOPT
from fastopt.optimizers.aggmo import AggMo
from fastopt.optimizers.asgd import ASGD
from fastopt.optimizers.cautious_adamw import CautiousAdamW
from fastopt.optimizers.cocob import COCOB
from fastopt.optimizers.dadapt_adamw import DAdaptAdamW
from fastopt.optimizers.dog import DoG
from fastopt.optimizers.dowg import DoWG
from fastopt.optimizers.fromage import Fromage
from fastopt.optimizers.ftrl import FTRL
from fastopt.optimizers.grams import Grams
from fastopt.optimizers.lamb import LAMB
from fastopt.optimizers.laprop import LaProp
from fastopt.optimizers.lars import LARS
from fastopt.optimizers.lion import Lion
from fastopt.optimizers.madgrad import MADGRAD
from fastopt.optimizers.mars_adamw import MARSAdamW
from fastopt.optimizers.momentum import Momentum
from fastopt.optimizers.momo import MoMo
from fastopt.optimizers.momo_adam import MoMoAdam
from fastopt.optimizers.muon import Muon
from fastopt.optimizers.nadam import NAdam
from fastopt.optimizers.nag import NAG
from fastopt.optimizers.noisy_sgd import NoisySGD
from fastopt.optimizers.normalized_gd import NormalizedGD
from fastopt.optimizers.novograd import NovoGrad
from fastopt.optimizers.optimistic_adam import OptimisticAdam
from fastopt.optimizers.optimistic_gd import OptimisticGD
from fastopt.optimizers.polyak_sgd import PolyakSGD
from fastopt.optimizers.powersign import PowerSign
from fastopt.optimizers.prodigy import Prodigy
from fastopt.optimizers.qhadam import QHAdam
from fastopt.optimizers.qhm import QHM
from fastopt.optimizers.radam import RAdam
from fastopt.optimizers.rmsprop import RMSprop
from fastopt.optimizers.rowwise_adagrad import RowwiseAdagrad
from fastopt.optimizers.rprop import Rprop
from fastopt.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from fastopt.optimizers.schedule_free_radam import ScheduleFreeRAdam
from fastopt.optimizers.schedule_free_sgd import ScheduleFreeSGD
from fastopt.optimizers.sgd import SGD
from fastopt.optimizers.sign_sgd import SignSGD
from fastopt.optimizers.signum import Signum
from fastopt.optimizers.simplified_ademamix import SimplifiedAdEMAMix
from fastopt.optimizers.sm3 import SM3
from fastopt.optimizers.sophia import Sophia
from fastopt.optimizers.sparse_adam import SparseAdam
from fastopt.optimizers.supersab import SuperSAB
from fastopt.optimizers.yogi import Yogi

__all__ = [
    "ADOPT",
    "ASGD",
    "COCOB",
    "FTRL",
    "LAMB",
    "LARS",
    "MADGRAD",
    "NAG",
    "QHM",
    "SGD",
    "SM3",
    "ACProp",
    "AdEMAMix",
    "AdaBelief",
    "AdaBound",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Adan",
    "AddSign",
    "AggMo",
    "CautiousAdamW",
    "DAdaptAdamW",
    "DoG",
    "DoWG",
    "Fromage",
    "Grams",
    "LaProp",
    "Lion",
    "MARSAdamW",
    "MoMo",
    "MoMoAdam",
    "Momentum",
    "Muon",
    "NAdam",
    "NoisySGD",
    "NormalizedGD",
    "NovoGrad",
    "OptimisticAdam",
    "OptimisticGD",
    "PolyakSGD",
    "PowerSign",
    "Prodigy",
    "QHAdam",
    "RAdam",
    "RMSprop",
    "RowwiseAdagrad",
    "Rprop",
    "ScheduleFreeAdamW",
    "ScheduleFreeRAdam",
    "ScheduleFreeSGD",
    "SignSGD",
    "Signum",
    "SimplifiedAdEMAMix",
    "Sophia",
    "SparseAdam",
    "SuperSAB",
    "Yogi",
]
