"""Yardsticks: what the machine's memory can do, and how far a step is from it.

A step at the speed of its traffic twin is at the machine's limit; only fewer bytes can beat it.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastopt.drivers import cpu
from fastopt.drivers.compile import assembly
from fastopt.measures import Measure
from fastopt.optimizer import Optimizer
from fastopt.runner import Runner
from fastopt.table import Table
from fastopt.variant import Variant


class Copy(Optimizer):
    """Copies the gradient over the parameter, by the same drivers: plain copy bandwidth."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)

    @staticmethod
    def coefficients(h: Any, t: Any) -> tuple[Any, ...]:
        """One number that nothing depends on."""
        return (1.0,)

    @staticmethod
    def update(c: Any, p: Any, g: Any, s: Any) -> tuple[Any, tuple[Any, ...]]:
        """The gradient."""
        return g, ()


class Twin:
    """The traffic twin of an optimizer: it moves the very same arrays and only adds.

    Same tiles, threads, shares and addresses, an addition for each array in place of the formula; its steps
    make nonsense of the optimizer's parameters and state.

    Parameters
    ----------
    optimizer : Optimizer

    Examples
    --------
    >>> from fastopt.measure import Twin
    >>> p = np.zeros(3)
    >>> Twin(fastopt.Adam(p, lr=0.1)).step(np.ones(3))
    >>> p
    array([1., 1., 1.])
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._forest = optimizer._forest
        self._runner = Runner(optimizer._workspace)
        self._runner.tables = [_only_adding(table) for table in optimizer._workspace.tables]
        self._runner.force_shares(optimizer._runner.forced_shares)

    def step(self, grads: Any) -> None:
        """Add the gradients to all that the optimizer's step would touch."""
        self._runner.step(self._forest.leaves(grads))


def _only_adding(table: Table) -> Table:
    variant = table.variant
    rule = variant.rule
    added = "".join(f"s[{i}] + g, " for i in range(len(rule.slots)))
    changed = dataclasses.replace(
        rule,
        name=f"{rule.name}.twin",
        update=_function(f"update(c, p, g, s): return p + g, ({added})"),
        measures=tuple(_only_summing(variant, i) for i in range(len(rule.measures))),
        lines=tuple(None if line is None else _LINE for line in rule.lines),
    )
    twin = copy.copy(table)
    twin.variant = dataclasses.replace(variant, rule=changed)
    return twin


def _only_summing(variant: Variant, stage: int) -> Measure:
    measure = variant.rule.measures[stage]
    read = sorted(variant.reads(stage))
    total = " + ".join(f"s[{n[1:]}]" if n.startswith("s") else n for n in read) or "g"
    count = measure.count(variant.rule.count_coefficients(), len(variant.rule.slots))
    function = _function(f"only_sum(c, p, g, s): return ({', '.join([total] * count)},)")
    return dataclasses.replace(measure, function=function, whole=None)


def _function(text: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec(f"def {text}", namespace)
    return namespace[text.partition("(")[0]]  # type: ignore[no-any-return]


_LINE = (_function("combine(c, value, measured, count): return value + measured[0]"), None)


def seconds(call: Callable[[], Any], *, repeats: int = 7, at_least: float = 0.02) -> float:
    """The median time of a call, each of `repeats` measurements lasting `at_least` seconds."""
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    loops = max(1, int(at_least / max(once, 1e-7)))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(loops):
            call()
        times.append((time.perf_counter() - start) / loops)
    return float(np.median(times))


def copy_bandwidth(elements: int = 1 << 24) -> tuple[float, float]:
    """Bytes per second read and written by a copy of float32: one thread's, and all threads'."""
    source, target = np.ones(elements, np.float32), np.zeros(elements, np.float32)
    opt = Copy(target)
    rates = []
    for shares in (1, None):
        opt._runner.force_shares(shares)
        opt.step(source)
        rates.append(2 * source.nbytes / seconds(lambda: opt.step(source), at_least=0.0))
    return rates[0], rates[1]


def step_assembly(variant: Variant) -> str:
    """The machine code of a serial step."""
    kernel = cpu.step(variant, cpu.SERIAL)
    kernel.compile(cpu.step_signature(variant))
    return assembly(kernel)


def vector_bits(assembly: str) -> int:
    """The widest registers that packed multiplications use; 0 if there are none."""
    widths = {"x": 128, "y": 256, "z": 512}
    x86 = re.findall(r"\bv?mulp[sd]\s.*%([xyz])mm", assembly)
    arm = re.findall(r"\bfmul\s+v\d+\.[24][sd]", assembly)
    return max([widths[w] for w in x86] + [128 for _ in arm], default=0)
