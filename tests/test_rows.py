"""`step_rows`: rows of embedding tables, each against the formula over that row alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from kinds import each_kind_and_dtype
from references import CLASSES, cases_of

import fastopt
from fastopt.touched import takes_rows

ROWS, WIDTH, STEPS, LATE = 7, 5, 12, 9
# a fold (Sophia's) takes in whole arrays, between the steps
TAKING = [c for c in CLASSES if takes_rows(c) and not (c.measures or c.folds)]


def touches(seed=5):
    """Which rows steps touch: some twice, the last only from `LATE` on."""
    rng = np.random.default_rng(seed)
    for t in range(1, STEPS + 1):
        rows = rng.integers(0, ROWS - 1, 6)
        yield t, np.append(rows, [ROWS - 1] * 2) if t >= LATE else rows


class ByRow:
    """The reference of a formula, row by row; numbers that are no arrays are the whole parameter's."""

    def __init__(self, case, p, counted):
        self.case, self.p, self.counted = case, p.copy(), counted
        self.states, self.counts = [{} for _ in p], [0] * len(p)
        self.clock, self.largest_step = {}, 0.0

    def step(self, t, rows, grads):
        numbers = {n: v for n, v in self.clock.items() if np.ndim(v) == 0}
        for row in dict.fromkeys(rows.tolist()):
            g = np.zeros_like(self.p[row])
            for i in np.flatnonzero(rows == row):
                g = g + grads[i]
            self.counts[row] += 1
            count = self.counts[row] if self.counted else t
            state = self.states[row]
            state.update({} if self.counted else copy.deepcopy(numbers))
            before = self.p[row].copy()
            self.p[row] = self.case.reference(before, g, state, count, **self.case.hyperparameters)
            self.largest_step = max(self.largest_step, np.abs(self.p[row] - before).max())
        one = np.ones(1, self.p.dtype)
        self.case.reference(one, one, self.clock, t, **self.case.hyperparameters)

    def slots(self):
        """Name to the rows that have begun, and their values."""
        names = {n for s in self.states for n, v in s.items() if np.ndim(v) and n[0] != "_"}
        begun = [r for r, s in enumerate(self.states) if s]
        return {n: (begun, np.array([self.states[r][n] for r in begun])) for n in names}


@each_kind_and_dtype(TAKING)
def test_rows_follow_the_formula(cls, dtype):
    """Parameters and slots of touched rows; a first step that differs is a row's own, however late."""
    case = cases_of(cls)[-1]
    rng = np.random.default_rng(0)
    p = rng.normal(size=(ROWS, WIDTH)).astype(dtype)
    opt = cls(p, **case.hyperparameters)
    counted = opt._workspace.counts_rows(0)
    reference = ByRow(case, p, counted)
    for t, rows in touches():
        grads = rng.normal(size=(len(rows), WIDTH)).astype(dtype)
        opt.step_rows(rows, grads)
        reference.step(t, rows, grads)
    eps = 8 * np.finfo(dtype).eps
    largest = np.abs(reference.p).max() + STEPS * reference.largest_step
    assert np.abs(p - reference.p).max() <= eps * largest
    state = opt.state[0]
    assert state["step"] == STEPS
    for name, (begun, expected) in reference.slots().items():
        assert np.abs(state[name][begun] - expected).max() <= eps * max(
            1, np.abs(expected).max()
        ), name
    assert ("row_step" in state) == counted
    if counted:
        assert state["row_step"].tolist() == reference.counts


@pytest.mark.parametrize("maximize", [False, True])
def test_sparse_adam_is_torchs(maximize):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    h = {"lr": 0.013, "betas": (0.87, 0.97), "eps": 0.05, "maximize": maximize}
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        p = rng.normal(size=(ROWS, WIDTH)).astype(dtype)
        theirs = torch.tensor(p, requires_grad=True)
        peer, opt = torch.optim.SparseAdam([theirs], **h), fastopt.SparseAdam([p], **h)
        for t in range(1, 201):
            rows = rng.integers(0, ROWS - (t < 150), 6)
            grads = rng.normal(size=(6, WIDTH)).astype(dtype)
            theirs.grad = torch.sparse_coo_tensor(rows[None], grads, p.shape, check_invariants=True)
            peer.step()
            opt.step_rows([rows], [grads])
        state, tolerance = peer.state[theirs], 8 * np.finfo(dtype).eps * (1 + np.sqrt(200) * 0.1)
        assert np.abs(p - theirs.detach().numpy()).max() <= tolerance
        for name in ("exp_avg", "exp_avg_sq"):
            assert np.abs(opt.state[0][name] - state[name].numpy()).max() <= tolerance
        assert opt.state[0]["step"] == state["step"] == 200


@pytest.mark.parametrize("width", [1, 3, 8, 31, 64, 129, 4097])
def test_all_rows_have_the_bits_of_a_step(width):
    for shares in (1, 2, 3):
        rng = np.random.default_rng(0)
        p = rng.normal(size=(5, width)).astype(np.float32)
        q = p.copy()
        mine, other = fastopt.Adam(p, lr=0.1), fastopt.Adam(q, lr=0.1)
        mine._runner.force_shares(shares)
        for _ in range(3):
            g = rng.normal(size=p.shape).astype(np.float32)
            order = rng.permutation(5)
            mine.step_rows(order, g[order])
            other.step(g)
        assert p.tobytes() == q.tobytes()
        assert mine.state[0]["exp_avg_sq"].tobytes() == other.state[0]["exp_avg_sq"].tobytes()


def test_duplicates_are_added_in_order():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 40, 1000)
    grads = rng.normal(size=(1000, 33)).astype(np.float32)
    total = np.zeros((40, 33), np.float32)
    for row, g in zip(rows, grads, strict=True):
        total[row] += g
    for shares in (1, 3):
        p = np.zeros((50, 33), np.float32)
        opt = fastopt.SGD(p, lr=1.0)
        opt._runner.force_shares(shares)
        opt.step_rows(rows.astype(np.uint16), grads)
        assert (-p[:40]).tobytes() == total.tobytes()
        assert not p[40:].any()


@pytest.mark.parametrize("width", [2, 70])
def test_tiles_are_laid_alike_by_any_number_of_threads(width, monkeypatch):
    """Rows of one tile and of several; some named once, some again, and other ones from step to step."""
    monkeypatch.setattr(fastopt.Adam, "tile", 32)
    rng = np.random.default_rng(0)
    steps = [(rng.integers(0, 300, n), rng.random((n, width))) for n in (200, 1, 600, 0, 250)]
    found = []
    for shares in (1, 2, 7):
        p = np.zeros((300, width))
        opt = fastopt.Adam(p, lr=0.1)
        opt._runner.force_shares(shares)
        tiles = []
        for rows, grads in steps:
            opt.step_rows(rows, grads)
            for name in ("seen", "again"):
                assert not opt._rows._kept[name, 0].any()
            tiles.append(opt._rows._kept["tiles", 0][:, :4].tobytes())
        found.append((p.tobytes(), tiles))
    assert found[0] == found[1] == found[2]


def test_an_interrupted_step_leaves_no_marks(monkeypatch):
    rows, grads = [3, 5, 3], np.ones((3, 4))
    p, q = np.zeros((2, 10, 4))
    opt, other = fastopt.Adam(p), fastopt.Adam(q)
    for each in (opt, other):
        each.step_rows(rows, grads)
    with monkeypatch.context() as patched:
        patched.setattr(np, "insert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            opt.step_rows(rows, grads)
        patched.setattr(np, "argsort", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            opt.step_rows(rows, grads)
    for each in (opt, other):
        each.step_rows([5, 3], grads[:2])
    assert p.tobytes() == q.tobytes()


def test_cost_is_that_of_the_rows():
    p = np.zeros((1000, 4))
    opt = fastopt.Adam(p)
    opt.step_rows([3, 5, 3], np.ones((3, 4)))
    (tiles,) = (room for (name, _), room in opt._rows._kept.items() if name == "tiles")
    assert len(tiles) == 3
    assert np.flatnonzero(p.any(axis=1)).tolist() == [3, 5]


def test_options_are_those_of_the_summed_gradients():
    grads = np.array([[3.0, 0.0], [0.0, 4.0], [3.0, 0.0]])
    p = np.zeros((4, 2))
    opt = fastopt.SGD(p, lr=1.0)
    info = opt.step_rows([1, 2, 1], grads, scale=0.5, clip_norm=1.0)
    norm = np.hypot(3.0, 2.0)
    assert info.grad_norm == pytest.approx(norm)
    np.testing.assert_allclose(p[[1, 2]], [[-3 / norm, 0], [0, -2 / norm]])
    opt.step_rows([0], np.array([[5.0, -7.0]]), clip_value=2.0, zero_grads=False)
    np.testing.assert_array_equal(p[0], [-2.0, 2.0])
    before = p.copy()
    assert opt.step_rows([0], np.array([[np.nan, 0.0]]), skip_nonfinite=True).skipped
    np.testing.assert_array_equal(p, before)
    assert (opt.steps_taken, opt.skipped_steps) == (2, 1)
    opt.step_rows([1, 1, 3], grads, zero_grads=True)
    assert not grads.any()
    opt.monitor = True
    assert opt.step_rows([1, 3], np.array([[3.0, 0.0], [0.0, 4.0]])).update_norm == pytest.approx(
        5.0
    )


def test_a_skipped_step_counts_no_rows():
    p = np.ones((3, 2))
    opt = fastopt.Rprop(p)
    opt.step_rows([1], np.ones((1, 2)))
    opt.step_rows([1, 2], np.array([[np.inf, 0.0], [1.0, 1.0]]), skip_nonfinite=True)
    assert opt.state[0]["row_step"].tolist() == [0, 1, 0]
    assert opt.state[0]["step"] == 1


def test_structures_groups_and_whole_parameters():
    """None for the rows stands for a whole gradient, None for the gradient for no step."""
    table, other, bias = np.zeros((4, 2)), np.zeros((3, 2, 2)), np.zeros(3)
    opt = fastopt.SGD([{"params": {"E": table, "b": bias}}, {"params": other, "lr": 0.5}], lr=1.0)
    opt.step_rows(
        [{"E": [1], "b": None}, [0, 2]],
        [{"E": np.ones((1, 2)), "b": np.ones(3)}, np.ones((2, 2, 2))],
    )
    assert table.sum(axis=1).tolist() == [0, -2, 0, 0]
    assert bias.tolist() == [-1, -1, -1]
    assert other.sum(axis=(1, 2)).tolist() == [-2, 0, -2]
    opt.step_rows([{"E": None, "b": None}, []], [{"E": None, "b": None}, np.ones((0, 2, 2))])
    assert [opt.state[k]["step"] for k in range(3)] == [1, 1, 2]


def test_rows_of_many_dimensions_and_averages():
    ids = np.array([[1, 2], [2, 0]])
    p = np.zeros((4, 3), np.complex64)
    opt = fastopt.SGD(p, lr=1.0, ema_decay=0.5, bounds=(-1.5, None))
    opt.step_rows(ids, np.full((2, 2, 3), 1 - 1j, np.complex64))
    np.testing.assert_array_equal(p[:, 0], [-1 + 1j, -1 + 1j, -1.5 + 2j, 0])
    np.testing.assert_array_equal(opt.ema_params[:, 0], [-0.5 + 0.5j, -0.5 + 0.5j, -0.75 + 1j, 0])


def test_schedules_follow_steps_over_rows():
    p = np.zeros((3, 1))
    opt = fastopt.SGD(p, lr=lambda t: 1.0 + t)
    for row in (0, 1, 2):
        opt.step_rows([row], np.ones((1, 1)))
    assert p[:, 0].tolist() == [-1, -2, -3]


def test_row_counts_are_state():
    """They are saved, loaded, copied, and steps of whole arrays go on with them."""
    h = {"lr": 0.1}
    rng = np.random.default_rng(0)
    p = rng.normal(size=(4, 3))
    opt = fastopt.Adan(p, **h)
    for rows in ([0, 1], [1, 2], [1]):
        opt.step_rows(rows, rng.normal(size=(len(rows), 3)))
    assert opt.state[0]["row_step"].tolist() == [1, 3, 1, 0]
    saved, q = opt.state_dict(), p.copy()
    loaded = fastopt.Adan(q, **h)
    loaded.load_state_dict(saved)
    copied = copy.deepcopy(opt)
    (r,) = copied.param_groups[0]["params"]
    g = rng.normal(size=(4, 3))
    rows = [p[i : i + 1].copy() for i in range(4)]
    single = []
    for i, row in enumerate(rows):
        one = fastopt.Adan(row, **h)
        state = {
            n: v[i : i + 1] for n, v in saved["state"][0].items() if n not in ("step", "row_step")
        }
        one.load_state_dict(
            {**saved, "state": {0: {**state, "step": int(saved["state"][0]["row_step"][i])}}}
        )
        single.append(one)
    for o in (opt, loaded, copied):
        o.step(g)
    for i, one in enumerate(single):
        one.step(g[i : i + 1])
    assert p.tobytes() == q.tobytes() == r.tobytes() == np.concatenate(rows).tobytes()
    assert opt.state[0]["row_step"].tolist() == [2, 4, 2, 1]
    with pytest.raises(ValueError, match="row_step of params is"):
        loaded.load_state_dict(
            {**saved, "state": {0: {**saved["state"][0], "row_step": np.ones(3, int)}}}
        )
    fresh = fastopt.Adan(np.zeros((4, 3)))
    loaded.load_state_dict(fresh.state_dict())
    assert "row_step" not in loaded.state[0]


BAD = [
    ([0, 3], np.ones((2, 2)), ValueError, "rows of params has 3; expected numbers from 0 to 2"),
    ([-1], np.ones((1, 2)), ValueError, "rows of params has -1"),
    ([0.0], np.ones((1, 2)), TypeError, "expected an array of integers"),
    ([True], np.ones((1, 2)), TypeError, "expected an array of integers"),
    ([[0], [1, 2]], np.ones((2, 2)), TypeError, "expected an array of integers"),
    ("a", np.ones((1, 2)), TypeError, "expected an array of integers"),
    (
        [0],
        np.ones((2, 2)),
        ValueError,
        r"shape \(2, 2\); expected an array of float64 with shape \(1, 2\)",
    ),
    ([0], np.ones((1, 2), np.float32), TypeError, "dtype float32"),
    ([0], None, TypeError, "gradient of params"),
]


@pytest.mark.parametrize(("rows", "grads", "error", "match"), BAD)
def test_what_does_not_fit(rows, grads, error, match):
    p = np.ones((3, 2))
    opt = fastopt.Adam(p)
    with pytest.raises(error, match=match):
        opt.step_rows(rows, grads)
    assert (p == 1).all()
    assert opt.state[0]["step"] == opt.steps_taken == 0


def test_parameters_without_rows():
    for p, match in (
        (np.ones(3), "two or more dimensions"),
        (np.asfortranarray(np.ones((3, 2))), "order 'F'"),
    ):
        with pytest.raises(ValueError, match=match):
            fastopt.Adam(p).step_rows([0], np.ones((1, *p.shape[1:])))
    for cls in (fastopt.LAMB, fastopt.NAG, fastopt.SM3):
        with pytest.raises(TypeError, match=f"{cls.__name__} does not support step_rows"):
            cls(np.ones((3, 2)), lr=0.1).step_rows([0], np.ones((1, 2)))


def test_gradients_of_rows_have_memory_of_their_own():
    p = np.ones((4, 2))
    opt = fastopt.Adam(p)
    with pytest.raises(ValueError, match="overlaps"):
        opt.step_rows([0, 1], p[2:])
    strided = np.ones((4, 4))[::2, ::2]
    opt.step_rows([0, 1], strided)
    assert (p[:2] != 1).all()
    read_only = np.ones((1, 2))
    read_only.flags.writeable = False
    opt.step_rows([2], read_only)
    with pytest.raises(ValueError, match="read-only"):
        opt.step_rows([2], read_only, zero_grads=True)


def test_an_embedded_kernel_counts_no_rows():
    p = np.ones((4, 2))
    opt = fastopt.Adan(p)
    opt.jit_step()
    with pytest.raises(RuntimeError, match="counts no rows"):
        opt.step_rows([0], np.ones((1, 2)))
    other = fastopt.Adan(p)
    other.step_rows([0], np.ones((1, 2)))
    for call in (other.jit_step, lambda: other.propose(np.ones((4, 2)))):
        with pytest.raises(RuntimeError, match="rows have step counts of their own"):
            call()
