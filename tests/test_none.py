"""Hyperparameters that may be None: the rule sees NaN and puts a value of its own there."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import fastopt


class Scaled(fastopt.Optimizer):
    def __init__(self, params, lr=1.0, eps=(None, 2.0)):
        super().__init__(params, lr=lr, eps=eps)

    @staticmethod
    def coefficients(h, t):
        eps = h["ep1"] if h["ep1"] == h["ep1"] else h["machine_eps"]
        return (h["lr"] * h["ep2"] * eps,)

    @staticmethod
    def update(c, p, g, s):
        return p - c[0] * g, ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_none_can_follow_the_dtype_and_be_replaced(dtype):
    w = np.zeros(3, dtype)
    opt = Scaled([w, np.zeros(1)])
    assert opt.param_groups[0]["eps"] == (None, 2.0)
    opt.step([np.ones(3, dtype), None])
    np.testing.assert_array_equal(w, dtype(-2 * np.finfo(dtype).eps))
    opt.param_groups[0]["eps"] = (0.5, 1.0)
    w[:] = 0
    opt.step([np.ones(3, dtype), None])
    np.testing.assert_array_equal(w, -0.5)
    opt.param_groups[0]["eps"] = (None, 1.0)
    saved = opt.state_dict()
    assert saved["param_groups"][0]["eps"] == (None, 1.0)
    other = Scaled([w, np.zeros(1)], eps=(0.5, 1.0))
    other.load_state_dict(saved)
    for own in (other, copy.deepcopy(opt)):
        assert own.param_groups[0]["eps"] == (None, 1.0)
        own.step([np.ones(3, dtype), None])


@pytest.mark.parametrize(
    ("eps", "error", "said"),
    [
        ((None, None), TypeError, "eps is None; expected a finite number >= 0"),
        ((-1.0, 1.0), ValueError, "eps is -1.0; expected None or a finite number >= 0"),
        (("a", 1.0), TypeError, "eps is 'a'; expected None or a finite number >= 0"),
        (None, TypeError, "eps is None; expected 2 values"),
    ],
)
def test_none_only_where_it_is_the_default(eps, error, said):
    with pytest.raises(error, match=said):
        Scaled(np.ones(2), eps=eps)
