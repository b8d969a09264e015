"""Save, load, and go on: here, in torch, and back."""

from __future__ import annotations

import numpy as np
import pytest
from references import CASES

import fastopt

TORCH_CASES = [c for c in CASES if c.torch]


def gradients(steps, shapes, seed):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=s) for s in shapes] for _ in range(steps)]


@pytest.mark.parametrize("case", TORCH_CASES, ids=str)
def test_a_run_continues_in_torch_and_back(case, torch64):
    """10 steps here, 10 in torch, 10 here again: as 30 in torch alone."""
    torch = torch64
    from fastopt.interop.torch import to_state_dict

    shapes = [(3, 4), (5,)]
    start = [np.random.default_rng(0).normal(size=s) for s in shapes]
    peer_class = getattr(torch.optim, case.cls.__name__)

    alone = [torch.tensor(a, requires_grad=True) for a in start]
    peer = peer_class(alone, **case.hyperparameters)
    run_torch(peer, alone, gradients(30, shapes, 1), torch)

    first, last = gradients(30, shapes, 1)[:10], gradients(30, shapes, 1)[20:]
    mine = [a.copy() for a in start]
    opt = case.cls(mine, **case.hyperparameters)
    for g in first:
        opt.step(g)
    theirs = [torch.tensor(a, requires_grad=True) for a in mine]
    middle = peer_class(theirs, lr=0.5)
    middle.load_state_dict(to_state_dict(opt))
    run_torch(middle, theirs, gradients(30, shapes, 1)[10:20], torch)

    again = [t.detach().numpy().copy() for t in theirs]
    back = case.cls(again, **{**case.hyperparameters, "lr": 0.5})
    back.load_state_dict(middle.state_dict())
    for g in last:
        back.step(g)
    for a, t in zip(again, alone, strict=True):
        np.testing.assert_allclose(a, t.detach().numpy(), rtol=1e-12, atol=1e-13)
    if "momentum_buffer" not in back.state[0]:  # torch's SGD keeps no count
        assert back.state[0]["step"] == (30 if case.cls is not fastopt.SGD else 10)


def run_torch(peer, tensors, grads, torch):
    for g in grads:
        for t, a in zip(tensors, g, strict=True):
            t.grad = torch.tensor(a)
        peer.step()


def test_torch_does_not_know():
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from fastopt.interop.torch import to_state_dict

    with pytest.raises(
        ValueError, match=r"eps_root is 0\.5, but torch\.optim\.Adam has no eps_root"
    ):
        to_state_dict(fastopt.Adam(np.ones(2), eps_root=0.5))
    with pytest.raises(TypeError, match="no Momentum"):
        to_state_dict(fastopt.Momentum(np.ones(2), lr=0.1))
    d = to_state_dict(fastopt.Adam([np.ones(2), np.ones(3)]))
    assert d["state"] == {}  # never stepped


def test_scalars_keep_their_digits_in_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from fastopt.interop.torch import to_state_dict

    opt = fastopt.NAdam(np.ones(3))
    for _ in range(3):
        opt.step(np.ones(3))
    peer = torch.optim.NAdam([torch.ones(3, dtype=torch.float64)])
    peer.load_state_dict(to_state_dict(opt))
    back = fastopt.NAdam(np.ones(3))
    back.load_state_dict(peer.state_dict())
    assert back.state[0]["mu_product"] == opt.state[0]["mu_product"]


def test_torch_scheduler_notes_and_missing_entries():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    a, b = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    peer = torch.optim.Adam([a, b], lr=0.1, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(peer, 0.5)
    a.grad = torch.ones(3)
    peer.step()
    schedule.step()
    opt = fastopt.Adam([np.ones(3, np.float32), np.ones(2, np.float32)])
    opt.load_state_dict(peer.state_dict())
    assert opt.state[0]["step"] == 1
    assert opt.state[1]["step"] == 0
    assert opt.param_groups[0]["lr"] == 0.05


def make():
    params = {"a": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), "b": np.ones(4)}
    opt = fastopt.Adam(
        [{"params": params["a"], "lr": 0.5}, {"params": {"b": params["b"]}}], amsgrad=True
    )
    opt.step([np.ones((2, 3), np.float32), {"b": np.arange(4.0)}])
    return opt, params


def snapshot(opt):
    return repr((opt.state_dict(), [g["params"] for g in opt.param_groups]))


def test_layout():
    opt, params = make()
    d = opt.state_dict()
    assert [g["params"] for g in d["param_groups"]] == [[0], [1]]
    assert [g["param_names"] for g in d["param_groups"]] == [["0"], ["1/b"]]
    assert d["param_groups"][0]["lr"] == 0.5
    assert set(d["state"][1]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    assert type(d["state"][1]["step"]) is int
    d["state"][1]["exp_avg"][:] = 7
    assert not np.any(opt.state[1]["exp_avg"] == 7), "a state dict is a copy"
    assert fastopt.Adam(params["b"]).state_dict()["state"][0]["step"] == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d.pop("state"), "there is no 'state'"),
        (lambda d: d["param_groups"].pop(), "groups of"),
        (lambda d: d["param_groups"][0].update(lr=-1.0), "lr is -1.0"),
        (lambda d: d["param_groups"][0].update(nonsense=1), "nonsense"),
        (lambda d: d["state"][1].update(exp_avg=np.ones(5)), r"exp_avg of 1/b .* shape \(5,\)"),
        (lambda d: d["state"][1].update(exp_avg=np.ones(4, complex)), "complex128"),
        (lambda d: d["state"][1].update(other=np.ones(4)), "other"),
        (lambda d: d["state"][1].pop("exp_avg"), r"lacks \['exp_avg'\]"),
        (lambda d: d["state"][1].update(step=-3), "step of 1/b is -3"),
        (lambda d: d["state"][1].update(step=1.5), r"step of 1/b is 1\.5"),
        (lambda d: d["state"].update({9: {"step": 1}}), "9"),
    ],
)
def test_what_does_not_fit_changes_nothing(spoil, said):
    opt, _ = make()
    d = opt.state_dict()
    spoil(d)
    before = snapshot(opt)
    with pytest.raises(ValueError, match=said):
        opt.load_state_dict(d)
    assert snapshot(opt) == before


def test_not_strict():
    opt, _ = make()
    d = opt.state_dict()
    d["param_groups"][0]["nonsense"] = 1
    d["state"][1]["other"] = 1
    d["state"][1]["exp_avg"][:] = 0.25
    opt.load_state_dict(d, strict=False)
    assert np.all(opt.state[1]["exp_avg"] == 0.25)


def test_a_load_may_change_the_variant():
    opt, _ = make()
    plain = fastopt.Adam([{"params": np.ones((2, 3), np.float32)}, {"params": {"b": np.ones(4)}}])
    assert "max_exp_avg_sq" not in plain.state[0]
    plain.load_state_dict(opt.state_dict())
    np.testing.assert_array_equal(plain.state[1]["max_exp_avg_sq"], opt.state[1]["max_exp_avg_sq"])
