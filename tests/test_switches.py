"""Slots that switch: loops of their own for what a formula may branch on."""

from __future__ import annotations

import numpy as np
import pytest

import fastopt


class Either(fastopt.Optimizer):
    """Adds 1 where the threshold is above 1, else subtracts it."""

    slots = {"above": fastopt.Slot(shape="switch", when=lambda h: h["threshold"] > 1)}

    def __init__(self, params, lr=1.0, threshold=0.0):
        super().__init__(params, lr=lr, threshold=threshold)

    @staticmethod
    def coefficients(h, t):
        return (h["lr"],)

    @staticmethod
    def update(c, p, g, s):
        if s[0]:
            return p + c[0] * g, s
        return p - c[0] * g, s


def test_it_follows_its_hyperparameters():
    p = np.zeros(5)
    opt = Either(p)
    for threshold, expected in ((0.0, -1.0), (2.0, 0.0), (3.0, 1.0), (0.5, 0.0)):
        opt.param_groups[0]["threshold"] = threshold
        opt.step(np.ones(5))
        np.testing.assert_array_equal(p, expected)
    assert list(opt.state[0]) == ["step"]


def test_groups_have_their_own_and_state_dicts_bring_it():
    p, q = np.zeros(5), np.zeros(3)
    opt = Either([{"params": p, "threshold": 2}, {"params": q}])
    opt.step([np.ones(5), np.ones(3)])
    assert (p[0], q[0]) == (1, -1)
    r = [np.zeros(5), np.zeros(3)]
    other = Either([{"params": r[0]}, {"params": r[1]}])
    other.load_state_dict(opt.state_dict())
    other.step([np.ones(5), np.ones(3)])
    assert (r[0][0], r[1][0]) == (1, -1)


def test_a_kernel_of_jit_step_keeps_its_own():
    p = np.zeros(5)
    opt = Either(p, threshold=2.0)
    kernel, state = opt.jit_step()
    opt.param_groups[0]["threshold"] = 3.0
    kernel(p, np.ones(5), state)
    assert p[0] == 1
    with pytest.raises(RuntimeError, match=r"for the slots \['above'\]"):
        opt.param_groups[0]["threshold"] = 1.0


def test_slots_of_rows_do_not_count_as_a_change():
    """`jit_step` of a vector, which has none of them."""
    p = np.ones(5)
    opt = fastopt.SM3(p, lr=0.1)
    kernel, state = opt.jit_step()
    opt.param_groups[0]["lr"] = 0.5
    kernel(p, np.ones(5), state)
    assert abs(p[0] - 0.95) < 1e-6


def test_the_usual_power_of_ftrl_has_roots_and_a_scheduled_one_has_not():
    p, q = np.zeros(9), np.zeros(9)
    opt = fastopt.FTRL(p, lr=0.1)
    other = fastopt.FTRL(q, lr=0.1, lr_power=fastopt.schedules.constant_schedule(-0.5))
    for t in range(20):
        opt.step(np.cos(np.arange(9.0) + t))
        other.step(np.cos(np.arange(9.0) + t))
    kinds = [o._workspace.tables[0].variant.over[-1] for o in (opt, other)]
    assert kinds == ["switch", "element"]
    np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-15)
    opt.param_groups[0]["lr_power"] = -0.6
    opt.step(np.ones(9))
    assert opt._workspace.tables[0].variant.over[-1] == "element"


def test_declarations():
    with pytest.raises(ValueError, match=r"when is None with shape 'switch'"):
        fastopt.Slot(shape="switch")
    with pytest.raises(ValueError, match=r"initial is .* with shape 'switch'; expected None"):
        fastopt.Slot(shape="switch", when="lr", initial=lambda h, p: 0)
