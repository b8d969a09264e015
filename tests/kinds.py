"""What an ordinary run tries of all classes, cases and dtypes; the rest is marked `full`.

Compiling is what the tests cost, so that a class more should cost few kernels. Of every class the formula is proved,
in float32 for all its cases and in float64 for the first, by kernels that serve many tests. What only the drivers
could do wrong is tried with one class of each kind (rows, first steps) or, where the loops alone matter (threads,
embedded steps), with one of each loop.
"""

from __future__ import annotations

import numpy as np
import pytest
from references import CASES, CLASSES, cases_of


def kind(cls):
    """What the drivers do for a class: classes of one kind differ by their formulas alone."""
    measured = tuple((m.scope, m.reduce) for m in cls.measures)
    shapes = frozenset(slot.shape for slot in cls.slots.values())
    begun = any(slot.initial is not None for slot in cls.slots.values())
    parts = measured, shapes, begun, bool(cls.running), cls.shared, cls.first_step
    return *parts, *sorted(cls.moves), *sorted(cls.folds)


def loop(cls):
    """What stands in the loops of a class: kinds of one loop differ by numbers of slots and by what precedes it."""
    measured = tuple((m.scope, m.reduce) for m in cls.measures)
    shapes = frozenset(slot.shape for slot in cls.slots.values()) - {"element"}
    begun = any(slot.initial is not None for slot in cls.slots.values())
    return measured, shapes, begun, bool(cls.shared), bool(cls.moves), bool(cls.folds)


def one_of_each(alike):
    return list({alike(cls): cls for cls in reversed(CLASSES)}.values())


ONE_OF_EACH_KIND, ONE_OF_EACH_LOOP = one_of_each(kind), one_of_each(loop)

every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)


def ordinary(*values, when):
    """Parameters of a test, in an ordinary run only `when`."""
    return pytest.param(*values, marks=() if when else pytest.mark.full)


def each_kind_and_dtype(classes=CLASSES, one_of_each=ONE_OF_EACH_KIND):
    """One of each kind in float32."""
    chosen = [
        ordinary(c, dtype, when=c in one_of_each and dtype == np.float32)
        for c in classes
        for dtype in (np.float32, np.float64)
    ]
    return pytest.mark.parametrize(("cls", "dtype"), chosen, ids=lambda v: v.__name__)


def each_loop_and_dtype(classes=CLASSES):
    """One of each loop in float32."""
    return each_kind_and_dtype(classes, ONE_OF_EACH_LOOP)


def each_case_and_dtype(cases=CASES):
    """All cases in float32, and the first of each class in float64."""
    chosen = [
        ordinary(c, dtype, when=dtype == np.float32 or c == cases_of(c.cls)[0])
        for c in cases
        for dtype in (np.float32, np.float64)
    ]
    return pytest.mark.parametrize(
        ("case", "dtype"), chosen, ids=lambda v: getattr(v, "__name__", str(v))
    )
