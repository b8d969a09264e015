"""The tolerances of the formulas' tests are narrow: a slightly changed coefficient is beyond them."""

from __future__ import annotations

import numpy as np
import pytest
from references import CLASSES, cases_of, is_noisy
from representatives import each_dtype
from side_by_side import References, errors, gradients, starts
from whole_arrays import WholeArrays

# whole arrays know neither numbers that are drawn nor what is folded in between the steps
PLAIN = [c for c in CLASSES if not (is_noisy(c) or c.folds)]
LINES, MANY = ((33,), (5, 9)), ((4000,),)


class Changed(WholeArrays):
    """With a coefficient multiplied, and the look-ahead that NAG asks for."""

    def __init__(self, cls, params, hyperparameters, column, factor):
        super().__init__(cls, params, **hyperparameters)
        self.column, self.factor, self.used = column, factor, set()

    def _header(self, p, given):
        row = self.cls(p.copy(), **given)._workspace.header[0]
        return {name: row[name].item() for name in row.dtype.names}

    def _coefficients(self, k):
        c = list(super()._coefficients(k))
        if self.headers[k]["step"] == 9:  # the first steps have coefficients of their own
            self.used = {i for i, value in enumerate(c) if value}
        c[self.column] *= type(c[self.column])(self.factor)
        return tuple(c)

    def step(self, grads):
        ahead = self.cls.moves.get("lookahead")
        for k in range(len(self.params)) if ahead else ():
            self.params[k], _ = ahead(self._coefficients(k), self.params[k], self._seen(k))
        super().step(grads)


def run(case, dtype, shapes, scale, column=0, factor=1.0):
    """The largest error over its tolerance, with a coefficient multiplied; which were not 0 in the tenth step."""
    params = starts(dtype, shapes)
    found = Changed(case.cls, params, case.hyperparameters, column, factor)
    together = any(m.scope == "all" for m in case.cls.measures)
    grads = ([np.asarray(dtype(scale) * x) for x in g] for g in gradients(dtype, shapes))
    worst = max(errors(References(case, params, together), found, grads).values())
    return worst, found.used


@each_dtype
@pytest.mark.parametrize("cls", PLAIN, ids=lambda c: c.__name__)
def test_tolerance_notices_every_coefficient(cls, dtype):
    """A coefficient that is slightly changed must fail in some case of the class.

    A sign that turns now and then (Lion's) shows among many elements, what is forgotten within a few steps (how y
    leans to x, schedule-free) above float32's rounding only if it is changed by more, and a bound on the mean
    of rows (Adafactor's) where gradients are small.
    """
    again = (MANY, 1.0, 1.0001) if dtype == np.float64 else (LINES, 1.0, 1.01)
    noticed, used = set(), set()
    for *how, factor in ((LINES, 1.0, 1.0001), (LINES, 0.3, 1.0001), again):
        for case in cases_of(cls) if not used or noticed != used else ():
            worst, own = run(case, dtype, *how)
            assert worst <= 1, case
            used |= own
            noticed |= {i for i in own - noticed if run(case, dtype, *how, i, factor)[0] > 1}
    assert noticed == used, used - noticed
