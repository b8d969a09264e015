"""Complex parameters: as pairs of reals, and as torch updates them."""

from __future__ import annotations

import numpy as np
import pytest
from case import inputs_of
from kinds import each_case_and_dtype, each_kind_and_dtype, ordinary
from references import CASES, CLASSES, make, step
from representatives import ALWAYS, AS_SGD, HARMLESS, REPRESENTATIVES, arrays, each_dtype

import fastopt

TAKING = [c for c in CLASSES if "complex" in c.supports]
WIDE = {np.float32: np.complex64, np.float64: np.complex128}


def pairs(a):
    """The same memory as reals, with a last dimension of 2."""
    return np.atleast_1d(a).view(a.real.dtype).reshape(*a.shape, 2)


def test_those_that_take_them_are_those_without_lines():
    taken = {c.__name__ for c in TAKING}
    assert {"SGD", "AdamW", "NAG", "Rprop", "LAMB", "Prodigy", "ScheduleFreeAdamW"} <= taken
    for cls in set(CLASSES) - set(TAKING):
        with pytest.raises(TypeError, match=r"complex128; \w+ takes real numbers only"):
            make(cls, np.ones(2, complex))


def step_as_pairs(make, dtype, **options):
    """The same bits, in every slot, for complex numbers and for pairs of reals."""
    shapes = ((5, 3), (), (0,), (2100,))
    params = arrays(WIDE[dtype], shapes=shapes)
    reals = [pairs(p).copy() for p in params]
    mine, peer = make(params), make(reals)
    for t in range(4):
        grads = arrays(WIDE[dtype], seed=t, shapes=shapes)
        same = [pairs(g).copy() for g in grads]
        infos = []
        for opt, given in ((mine, grads), (peer, same)):
            opt.monitor = bool(options)
            if isinstance(opt, fastopt.NAG):
                opt.lookahead()
            inputs = inputs_of(type(opt), opt.steps_taken)
            infos.append(opt.step(given, scale=0.5, clip_norm=20.0, **options, **inputs))
        assert infos[0] == infos[1]
    for k, (p, q) in enumerate(zip(params, reals, strict=True)):
        assert p.tobytes() == q.tobytes()
        for name, value in peer.state[k].items():
            assert np.asarray(mine.state[k][name]).tobytes() == np.asarray(value).tobytes(), name
    return mine, peer


@each_kind_and_dtype(TAKING)
def test_as_pairs_of_reals(cls, dtype):
    step_as_pairs(lambda params: make(cls, params), dtype)


@each_dtype
@pytest.mark.parametrize(
    "name",
    [ordinary(n, when=n not in AS_SGD) for n, (c, _) in REPRESENTATIVES.items() if c in TAKING],
)
def test_averaged_bounded_clamped_and_monitored_as_pairs_of_reals(name, dtype):
    cls, values = REPRESENTATIVES[name]
    options = {**HARMLESS, "clip_value": 0.9}
    mine, peer = step_as_pairs(lambda params: cls(params, **values, **ALWAYS), dtype, **options)
    for e, f in zip(mine.ema_params, peer.ema_params, strict=True):
        assert e.tobytes() == f.tobytes()


@each_case_and_dtype([c for c in CASES if c.torch and c.cls in TAKING])
def test_torch(case, dtype, torch64):
    torch, dtype = torch64, WIDE[dtype]
    p = arrays(dtype, shapes=((33,),))[0]
    tensor = torch.tensor(p, requires_grad=True)
    opt = case.cls(p, **case.hyperparameters)
    try:
        peer = getattr(torch.optim, case.cls.__name__)([tensor], **case.hyperparameters)
        tensor.grad = torch.zeros_like(tensor)
        steps = 40
        largest = largest_step = 0.0
        for t in range(steps):
            g = arrays(dtype, seed=t, shapes=((33,),))[0]
            before = tensor.detach().numpy().copy()
            tensor.grad = torch.tensor(g)
            peer.step()
            step(opt, g)
            now = tensor.detach().numpy()
            largest = max(largest, np.abs(now).max())
            largest_step = max(largest_step, np.abs(now - before).max())
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        pytest.skip(f"torch takes no complex numbers here: {error}")
    unit = 1e-12 if dtype == np.complex128 else 8 * float(np.finfo(np.float32).eps)
    assert np.abs(p - now).max() <= unit * (largest + np.sqrt(steps) * largest_step)
    for name, value in peer.state[tensor].items():
        if name in opt.state[0] and name != "step":
            theirs = np.asarray(value)
            scale = np.abs(theirs).max(initial=0)
            found = opt.state[0][name]
            assert np.shape(found) == theirs.shape or theirs.ndim == 0
            assert np.abs(found - theirs).max() <= 10 * unit * max(scale, 1e-30), name


@pytest.mark.parametrize(
    "cls", [fastopt.SGD, fastopt.AdamW, fastopt.LAMB], ids=lambda c: c.__name__
)
def test_layouts_copies_and_other_dtypes(cls):
    """Fortran order, beside real parameters, gradients with strides and conjugates, saved and loaded."""
    params = [
        np.asfortranarray(arrays(complex, shapes=((4, 6),))[0]),
        np.ones(3),
        np.ones((), np.complex64),
    ]
    opt = make(cls, params)
    whole = arrays(complex, seed=2, shapes=((8, 12),))[0]
    grads = [whole[::2, ::2], np.ones(3), np.ones((), np.complex64)]
    opt.step(grads)
    other = make(cls, [p.copy("K") for p in params])
    other.load_state_dict(opt.state_dict())
    for o in (opt, other):
        o.step([np.conj(whole)[::2, ::2], None, grads[2]])
    for p, q in zip(params, other.param_groups[0]["params"], strict=True):
        assert p.tobytes() == q.tobytes()
    with pytest.raises(TypeError, match="dtype float64; expected an array of complex128"):
        opt.step([whole[::2, ::2].real.copy(), None, None])


def test_a_norm_counts_both_parts_and_a_nan_in_either_skips():
    p = np.zeros(2, complex)
    opt = fastopt.SGD(p, lr=1.0)
    assert opt.step(np.array([3 + 4j, 12j]), clip_norm=6.5) == (False, 13.0, None, None)
    np.testing.assert_allclose(p, [-1.5 - 2j, -6j], rtol=1e-15)
    for wrong in (complex(0, np.nan), complex(np.inf, 0)):
        before = p.tobytes()
        assert opt.step(np.array([1, wrong]), skip_nonfinite=True).skipped
        assert p.tobytes() == before
