"""On a real GPU what no simulator shows: streams, graphs, long arrays, other libraries' arrays, the default mode."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from devices import Pair, numbers
from kinds import every_class
from references import make

import fastopt

cupy = pytest.importorskip("cupy")

SHAPES = [(300_001,), (70, 1000), (5,), (0,)]


@every_class
def test_long_arrays(cls):
    """Of many tiles, and some that fill no vector: in exact mode the CPU's bits."""
    shapes = SHAPES if cls.dimensions is None else [(300, 1001), (7, 5)]
    pair = Pair(lambda params: make(cls, params), numbers(np.float32, shapes))
    for t in range(3):
        pair.step(numbers(np.float32, shapes, 1 + t))
    pair.require_equal()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["SGD", "RMSprop", "AdamW", "Adan", "LAMB", "Adafactor", "NAdam"])
def test_default_mode(name, dtype):
    """Fused multiplications and additions: the CPU's numbers but for rounding."""
    pair = Pair(lambda p: make(getattr(fastopt, name), p), numbers(dtype, SHAPES))
    pair.cuda.exact = False
    for t in range(3):
        pair.step(numbers(dtype, SHAPES, 1 + t))
    eps = np.finfo(dtype).eps
    for a, b in zip(pair.host, pair.device, strict=True):
        np.testing.assert_allclose(b.array, a, rtol=64 * eps, atol=64 * eps)


# ---- graphs and streams ---------------------------------------------------------------------------

ASKED = [{}, {"clip_norm": 1.0, "skip_nonfinite": True, "scale": 0.5}]


@pytest.mark.parametrize("options", ASKED, ids=["plain", "clipped"])
@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Prodigy", "ScheduleFreeAdamW", "NoisySGD"])
def test_graph(name, options):
    """A captured step is replayed as steps are taken; a changed learning rate reaches it."""
    pair = Pair(lambda p: make(getattr(fastopt, name), p, lr=0.1), numbers(np.float32, SHAPES))
    grads = numbers(np.float32, SHAPES, 1)
    on = [cupy.asarray(g) for g in grads]
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    for _ in range(2):
        pair.cpu.step(grads, **options)
        pair.cuda.step(on, stream=stream, **options)
    stream.begin_capture()
    pair.cuda.step(on, **options)
    graph = stream.end_capture()
    for t in range(4):
        if t == 2:
            for opt in (pair.cpu, pair.cuda):
                opt.param_groups[0]["lr"] = 0.05
        if t == 3:
            stream.synchronize()
            grads[0][7] = np.nan if "skip_nonfinite" in options else -3.0
            on[0][7] = grads[0][7]
            cupy.cuda.Device().synchronize()
        pair.cpu.step(grads, **options)
        graph.launch(stream)
    stream.synchronize()
    pair.require_equal()
    assert pair.cuda.skipped_steps == ("skip_nonfinite" in options)


GRAPH_OF_MATRICES = """
import numpy as np, torch, fastopt
start, grad = np.random.default_rng(0).normal(size=(2, 30, 50)).astype(np.float32)
params = [torch.from_numpy(start.copy()).cuda() for _ in range(2)]
plain, captured = (fastopt.Muon(p, lr=0.1) for p in params)
on = torch.from_numpy(grad).cuda()
stream = torch.cuda.Stream()
torch.cuda.synchronize()
for _ in range(2):
    captured.step(on, stream=stream)
torch.cuda.synchronize()
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph, stream=stream):
    captured.step(on)
for _ in range(3):
    graph.replay()
for _ in range(5):
    plain.step(on)
torch.cuda.synchronize()
torch.testing.assert_close(params[0], params[1], rtol=0, atol=1e-5)
cpu = fastopt.Muon(start, lr=0.1)
for _ in range(5):
    cpu.step(grad)
torch.testing.assert_close(params[0].cpu(), torch.from_numpy(start), rtol=0, atol=1e-3)
"""


def test_graph_of_matrices():
    """By PyTorch, in a process that has no CuPy, which captures no products of matrices."""
    pytest.importorskip("torch")
    subprocess.run([sys.executable, "-c", GRAPH_OF_MATRICES], check=True)


def test_graph_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=(2, 1000)).astype(np.float32)
    ours = torch.from_numpy(p).cuda()
    grad = torch.from_numpy(g).cuda()
    opt, cpu = fastopt.AdamW(ours, lr=0.1), fastopt.AdamW(p, lr=0.1)
    opt.exact = True
    opt.step(grad)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        opt.step(grad, stream=torch.cuda.current_stream())
    for _ in range(3):
        graph.replay()
    torch.cuda.synchronize()
    for _ in range(4):
        cpu.step(g)
    np.testing.assert_array_equal(ours.cpu().numpy(), p)
    assert opt.steps_taken == 4


def halve(opt):
    opt.param_groups[0]["lr"] /= 2


WAYS = {
    "plain": lambda opt, grads: opt.step(grads),
    "options": lambda opt, grads: opt.step(grads, clip_norm=1.0, skip_nonfinite=True),
    "other arrays": lambda opt, grads: opt.step(list(grads[0]._base.clone())),
    "a new rate": lambda opt, grads: (halve(opt), opt.step(grads)),
    "rows": lambda opt, grads: opt.step_rows([[0]] * len(grads), [g[:1] for g in grads]),
}


@pytest.mark.parametrize("count", [1, 300, 20_000])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_waits(way, count):
    """While the stream is busy for a while, a step returns."""
    if way == "rows" and count > 300:
        pytest.skip("the host takes long to lay out the tiles of so many tensors")
    torch = pytest.importorskip("torch")
    params, grads = (list(torch.ones(count, 4, 4, device="cuda")) for _ in range(2))
    opt = fastopt.AdamW(params, lr=0.1)
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        opt.step(grads, stream=stream)
        WAYS[way](opt, grads)
        stream.synchronize()
        torch.cuda._sleep(1_000_000_000 if count <= 300 else 4_000_000_000)
        WAYS[way](opt, grads)
        busy = torch.cuda.Event()
        busy.record(stream)
        assert not busy.query()
        stream.synchronize()


def test_stream_of_the_gradients():
    """Launched after what makes the gradients, on their stream."""
    torch = pytest.importorskip("torch")
    stream = torch.cuda.Stream()
    w = torch.zeros(1 << 20, device="cuda")
    opt = fastopt.SGD(w, lr=1.0)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        g = torch.zeros_like(w)
        for k in range(3):
            torch.cuda._sleep(20_000_000)
            g.fill_(k + 1)
            opt.step(g, stream=stream)
        assert float(w.min()) == float(w.max()) == -6
    torch.cuda.synchronize()


def test_threads():
    """Optimizers of two threads at once, on streams of their own."""
    pairs = [Pair(lambda p: fastopt.AdamW(p, lr=0.1), numbers(np.float32, SHAPES)) for _ in "ab"]

    def run(pair):
        for t in range(20):
            pair.step(numbers(np.float32, SHAPES, t))

    threads = [threading.Thread(target=run, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pair in pairs:
        pair.require_equal()


# ---- arrays -----------------------------------------------------------------------------------------


def test_more_than_two_to_the_31():
    n = (1 << 31) + 13
    w = cupy.ones(n, cupy.float32)
    g = cupy.full(n, 2, cupy.float32)
    opt = fastopt.SGD(w, lr=0.25)
    info = opt.step(g, clip_norm=float(np.sqrt(n)))  # half of its norm
    assert float(w.min()) == float(w.max()) == 0.75
    np.testing.assert_allclose(info.grad_norm, 2 * np.sqrt(n), rtol=1e-12)
    opt.step(g)
    assert float(w.min()) == float(w.max()) == 0.25


def peers(library):
    """A library's arrays on the device from NumPy's, and back."""
    if library == "cupy":
        return cupy.asarray, cupy.asnumpy
    if library == "torch":
        torch = pytest.importorskip("torch")
        return lambda a: torch.from_numpy(a).cuda(), lambda t: t.cpu().numpy()
    if library == "jax":
        jax = pytest.importorskip("jax")
        if jax.default_backend() != "gpu":
            pytest.skip("this jax finds no GPU")
        # made on a stream of its own, which nobody else waits for
        return lambda a: jax.block_until_ready(jax.device_put(a)), np.asarray
    from numba import cuda

    return cuda.to_device, lambda a: a.copy_to_host()


@pytest.mark.parametrize("gradients", ["cupy", "torch", "numba", "jax"])
@pytest.mark.parametrize("parameters", ["cupy", "torch", "numba"])
def test_libraries(parameters, gradients):
    there, back = peers(parameters)
    given, _ = peers(gradients)
    p, g = numbers(np.float32, [(7, 33), (7, 33)])
    on = there(p.copy())
    opt, cpu = fastopt.AdamW({"w": on}, lr=0.1), fastopt.AdamW({"w": p}, lr=0.1)
    opt.exact = True
    gradient = given(g.copy())
    for _ in range(3):
        opt.step({"w": gradient})
        cpu.step({"w": g})
    np.testing.assert_array_equal(back(on), p)
    m = opt.state["w"]["exp_avg"]
    np.testing.assert_array_equal(cupy.asnumpy(cupy.asarray(m)), cpu.state["w"]["exp_avg"])


@pytest.mark.parametrize("library", ["cupy", "torch"])
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies(library, twin):
    there, back = peers(library)
    p, g = numbers(np.float32, [(40,), (40,)])
    opt, cpu = fastopt.Adam(there(p.copy()), lr=0.1), fastopt.Adam(p, lr=0.1)
    opt.exact = True
    opt.step(there(g))
    other = twin(opt)
    (own,) = other.param_groups[0]["params"]
    (kept,) = opt.param_groups[0]["params"]
    other.step(there(g))
    cpu.step(g)
    np.testing.assert_array_equal(back(kept), p)
    cpu.step(g)
    np.testing.assert_array_equal(back(own), p)


def test_as_torch():
    """Torch's own optimizers on its own tensors."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start = rng.normal(size=50_000).astype(np.float32)
    for name, options in {
        "AdamW": {"weight_decay": 0.1, "amsgrad": True},
        "Adam": {"betas": (0.8, 0.9)},
        "SGD": {"momentum": 0.9, "nesterov": True},
        "RMSprop": {"centered": True, "momentum": 0.5},
        "Adagrad": {},
        "NAdam": {},
        "RAdam": {},
        "Adafactor": {},
    }.items():
        theirs = torch.from_numpy(start.copy()).cuda().requires_grad_()
        ours = torch.from_numpy(start.copy()).cuda()
        peer = getattr(torch.optim, name)([theirs], lr=0.01, **options)
        opt = getattr(fastopt, name)(ours, lr=0.01, **options)
        for _ in range(10):
            theirs.grad = torch.from_numpy(rng.normal(size=50_000).astype(np.float32)).cuda()
            opt.step(theirs.grad)
            peer.step()  # which writes into it for some rules
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=2e-6, msg=name)
