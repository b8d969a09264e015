"""The same bits, however a step is cut into pieces."""

from __future__ import annotations

import numpy as np
import pytest
from kinds import ONE_OF_EACH_LOOP, ordinary
from packed_storage import packed
from references import CASES, cases_of, is_noisy, step
from stages import entry, staged_step

SIZES = (1, 100, 5000, 0, 33, 70_000)


def split(whole):
    return np.split(whole, np.cumsum(SIZES)[:-1])


def run(case, dtype, *, flat=False, tile=None, shares=1, pieces=None, save_at=None):
    """Parameters and slots, as bytes, after six steps."""
    rng = np.random.default_rng(5)
    whole = rng.normal(size=sum(SIZES)).astype(dtype)
    gradients = [rng.normal(size=whole.size).astype(dtype) for _ in range(6)]
    cls = case.cls if tile is None else with_tile(case.cls, tile)
    params = whole if flat else split(whole)
    opt = cls(params, **case.hyperparameters)
    for t, g in enumerate(gradients):
        if t == save_at:
            saved = opt.state_dict()
            opt = cls(params, **case.hyperparameters)
            opt.load_state_dict(saved)
        opt._runner.force_shares(shares)
        grads = g if flat else split(g)
        if pieces is None:
            step(opt, grads)
        else:
            staged_step(opt, [grads] if flat else grads, pieces=pieces)
    slots = [n for n, value in opt.state[0].items() if isinstance(value, np.ndarray)]
    state = [np.concatenate([opt.state[k][n].ravel() for k in opt.state]) for n in slots]
    return [a.tobytes() for a in [whole, *state]]


def with_tile(cls, tile):
    """The class with tiles of another size, and its kernels, which know no size: they go by the class's name."""
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return type(cls.__name__, (cls,), {**names, "tile": tile})


FIRSTS = [cases_of(cls)[0] for cls in ONE_OF_EACH_LOOP]


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    "case",
    [ordinary(c, when=c in FIRSTS) for i, c in enumerate(CASES) if i % 2 == 0 or c in FIRSTS],
    ids=str,
)
def test_same_bits(case, dtype):
    expected = run(case, dtype)
    assert run(case, dtype, shares=2) == expected, "two threads"
    assert run(case, dtype, shares=5) == expected, "five shares"
    flat = run(case, dtype, flat=True)
    apart = case.cls.measures or is_noisy(case.cls)  # a tensor of its own to a sum, and to noise
    assert flat == expected or apart, "one flat array"
    assert run(case, dtype, flat=True, shares=2) == flat, "one flat array, two threads"
    assert run(case, dtype, pieces=7) == expected, "seven uneven ranges of rows"
    assert run(case, dtype, save_at=3) == expected, "saved and loaded in mid-run"
    for tile in () if case.cls.measures else (256, 16384):  # sums run over tiles
        assert run(case, dtype, tile=tile) == expected, f"tiles of {tile}"


def test_shares_are_equal():
    from fastopt.drivers import steps
    from fastopt.table import LENGTH, _tiles

    first_row = entry(steps.first_row)

    tiles = _tiles(np.array([100_000, *[10] * 500, 7, 0, 90_000]), 4096)
    for shares in (1, 2, 3, 8):
        bounds = [int(first_row(tiles, k, shares)) for k in range(shares + 1)]
        assert bounds[0] == 0
        assert bounds[-1] == len(tiles)
        own = [int(tiles[a:b, LENGTH].sum()) for a, b in zip(bounds, bounds[1:], strict=False)]
        assert max(own) - min(own) <= 2 * 4096
    assert int(first_row(np.zeros((0, 4), np.int64), 0, 3)) == 0


def test_tiles_count_from_the_start_of_each_tensor():
    from fastopt.table import _tiles

    rows = _tiles(np.array([5, 0, 9, 4]), 4)
    assert not rows[:, 4].any(), "gradients lie where the tensors do"
    assert rows[:, :4].tolist() == [
        [0, 0, 4, 0], [0, 4, 1, 4], [2, 0, 4, 5], [2, 4, 4, 9], [2, 8, 1, 13], [3, 0, 4, 14],
    ]  # fmt: skip


# ---- a packed storage: scratch, blocks, several columns ------------------------------------------


def packed_class(cls, slot):
    return type(f"Packed{cls.__name__}", (cls,), {"storages": {slot: packed}})


def packed_run(n, shares=1, tile=4096, steps=50):
    import fastopt

    cls = packed_class(fastopt.Adam, "exp_avg")
    cls.tile = tile
    p = np.linspace(-1, 1, n).astype(np.float32)
    opt = cls([p], lr=0.01)
    opt._runner.force_shares(shares)
    for t in range(steps):
        opt.step([np.cos(np.arange(n) + t).astype(np.float32)])
    return p, opt


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 9000])
def test_packed_slot_follows_the_formula(n):
    """Codes of 16 bits with a scale per 256: within the rounding of the code, step for step."""
    import fastopt

    p, opt = packed_run(n)
    q = np.linspace(-1, 1, n).astype(np.float32)
    plain = fastopt.Adam([q], lr=0.01)
    for t in range(50):
        plain.step([np.cos(np.arange(n) + t).astype(np.float32)])
    assert np.abs(p - q).max(initial=0) < 1e-3
    assert np.abs(opt.state[0]["exp_avg"] - plain.state[0]["exp_avg"]).max(initial=0) < 1e-3
    assert opt._workspace.slots[0]["exp_avg"].arrays[0].dtype == np.int16
    assert n < 2 or not np.array_equal(p, q), "the packed slot was not used"


def test_packed_slot_has_the_same_bits_in_any_cut():
    expected = packed_run(9000)[0].tobytes()
    assert packed_run(9000, shares=2)[0].tobytes() == expected
    for tile in (256, 512, 16384):
        assert packed_run(9000, tile=tile)[0].tobytes() == expected


def test_packed_slot_is_saved_and_loaded():
    p, opt = packed_run(1000)
    with pytest.raises(ValueError, match="read-only"):
        opt.state[0]["exp_avg"][0] = 1
    q = p.copy()
    other = type(opt)([q], lr=0.01)
    other.load_state_dict(opt.state_dict())
    g = np.ones(1000, np.float32)
    opt.step([g])
    other.step([g])
    assert p.tobytes() == q.tobytes()
