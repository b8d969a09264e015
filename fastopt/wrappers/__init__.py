"""Optimizers around another optimizer, over the same parameters."""

from fastopt.wrappers.lookahead import Lookahead
from fastopt.wrappers.mechanic import Mechanic

__all__ = ["Lookahead", "Mechanic"]
