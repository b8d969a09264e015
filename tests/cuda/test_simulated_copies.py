"""Copies of optimizers on a device go on with the same bits, under CUDA's simulator."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from devices import OnDevice, Pair, numbers, on_device

import fastopt
from fastopt.device import DeviceArray

SHAPES = [(5,), (2, 3), (0,)]
COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}
every_copy = pytest.mark.parametrize("twin", COPIES.values(), ids=COPIES)


def grouped(params):
    falling = fastopt.schedules.linear_schedule(0.5, 0.1, 3)
    turned = {"params": params[1], "amsgrad": True, "lr": falling}
    opt = fastopt.Adam([{"params": params[0]}, turned], ema_decay=0.5)
    opt.add_param_group({"params": params[2]})
    return opt


def turned(seed=0):
    made = numbers(np.float32, SHAPES, seed)
    made[1] = np.asfortranarray(made[1])
    return made


@every_copy
def test_the_same_bits(twin):
    pair = Pair(grouped, turned())
    for t in range(2):
        pair.step(turned(t), skip_nonfinite=True)
    kept, before = pair.device, [a.array.copy() for a in pair.device]
    pair.device, pair.cuda = twin((kept, pair.cuda))
    own = [p for group in pair.cuda.param_groups for p in group["params"]]
    assert own == pair.device  # arrays that are copied along stay its own
    pair.require_equal()
    for t in range(2, 4):
        pair.step(turned(t))
    pair.require_equal()
    for a, b in zip(kept, before, strict=True):
        np.testing.assert_array_equal(a.array, b)


def test_a_shallow_copy_has_its_own_state_over_the_same_parameters():
    p = OnDevice(np.ones(3, np.float32))
    opt = fastopt.Adam(p)
    opt.exact = True
    opt.step(OnDevice(np.ones(3, np.float32)))
    other = copy.copy(opt)
    assert other.exact
    assert other.param_groups[0]["params"][0] is p
    other.step(OnDevice(np.ones(3, np.float32)))
    assert (opt.state[0]["step"], other.state[0]["step"]) == (1, 2)


@every_copy
def test_what_was_accumulated(twin):
    pair = Pair(lambda p: fastopt.SGD(p, lr=0.1), turned())
    pair.cpu.accumulate(turned(1))
    pair.cuda.accumulate(on_device(turned(1)))
    pair.device, pair.cuda = twin((pair.device, pair.cuda))
    pair.cpu.step()
    pair.cuda.step()
    pair.require_equal()


@every_copy
def test_arrays_by_themselves(twin):
    opt = fastopt.Adam(on_device(turned()))
    opt.step(on_device(turned(1)))
    for key in opt.state:
        m = opt.state[key]["exp_avg"]
        other = twin(m)
        assert isinstance(other, DeviceArray)
        assert other.flags == m.flags
        np.testing.assert_array_equal(np.asarray(other), np.asarray(m))
        if m.size:
            other.fill(7)
            assert not (np.asarray(m) == 7).any()


def test_a_copy_in_another_memory_order():
    """As CuPy's are: state follows."""

    class Straightened(OnDevice):
        def __deepcopy__(self, memo):
            return OnDevice(np.ascontiguousarray(self.array))

    p, g = (np.asfortranarray(a) for a in numbers(np.float32, [(2, 3), (2, 3)]))
    opt, cpu = fastopt.Adam(Straightened(p.copy(order="K")), lr=0.1), fastopt.Adam(p, lr=0.1)
    opt.exact = True
    opt.step(OnDevice(g))
    twin = copy.deepcopy(opt)
    twin.step(OnDevice(np.ascontiguousarray(g)))
    for _ in range(2):
        cpu.step(g)
    (own,) = twin.param_groups[0]["params"]
    np.testing.assert_array_equal(own.array, p)
    np.testing.assert_array_equal(np.asarray(twin.state[0]["exp_avg"]), cpu.state[0]["exp_avg"])


def test_an_array_that_is_not_copied():
    class Shared(OnDevice):
        def __deepcopy__(self, memo):
            return self.shared()

    opt = fastopt.Adam({"W": Shared(np.ones(3, np.float32))})
    with pytest.raises(TypeError, match="deepcopy: parameter W is a Shared, whose copy shares"):
        copy.deepcopy(opt)


def test_counts_that_were_loaded():
    """Schedules go on from them."""

    def falling(params):
        return fastopt.SGD(params, lr=fastopt.schedules.linear_schedule(0.5, 0.1, 8))

    pair = Pair(falling, numbers(np.float32, [(3,)]))
    for t in range(3):
        pair.cpu.step(numbers(np.float32, [(3,)], t))
    pair.device[0].overwrite(pair.host[0])
    pair.cuda.load_state_dict(pair.cpu.state_dict())
    for t in range(2):
        pair.step(numbers(np.float32, [(3,)], t))
    pair.require_equal()
