"""Watching optimizers: objectives in the plane, and the ways that optimizers take over them.

Everything here runs the library's own rules; what is shown is what trains.
"""

from fastopt.study import objectives
from fastopt.study.convergence import RateMap, rate_map
from fastopt.study.many import Trajectories, trace_many
from fastopt.study.maps import Basins, basins
from fastopt.study.objective import Objective
from fastopt.study.trajectories import Trajectory, trace

__all__ = [
    "Basins",
    "Objective",
    "RateMap",
    "Trajectories",
    "Trajectory",
    "basins",
    "objectives",
    "rate_map",
    "trace",
    "trace_many",
]
