"""One side of the gate: a process that measures when it is told to, with the fastopt that PYTHONPATH gives it.

Run by path, so that both sides are measured by the same text; it takes only what older commits have as well.
Reads a JSON request a line, answers with a JSON line: `where` fastopt is, `open` a case, `count` how many steps last so long, `time` so many.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastopt
from fastopt import measure


class Case:
    """A step and its twin over an array; by one thread on one core, or by all.

    There are several of each, and the fastest counts: where memory happens to lie makes small steps up to 1.3 times as slow.
    """

    def __init__(
        self, optimizer: str, given: dict[str, Any], shape: list[int], serial: bool
    ) -> None:
        self._cores = {max(_CORES)} if serial else _CORES
        self._calls: dict[str, list[Callable[[], object]]] = {"own": [], "twin": []}
        for _ in range(_COPIES):
            p, g = np.ones(shape, np.float32), np.full(shape, 1e-3, np.float32)
            opt = getattr(fastopt, optimizer)(p, **given)
            opt._runner.force_shares(1 if serial else fastopt.get_num_threads())
            for name, stepper in (("own", opt), ("twin", measure.Twin(opt))):
                call = functools.partial(stepper.step, g)
                call()
                self._calls[name].append(call)

    def count(self, seconds: float) -> int:
        """How many steps last so long."""
        return max(1, round(seconds / max(1e-7, self._time("own", 1))))

    def time(self, loops: int) -> dict[str, float]:
        """Seconds of a step and of its twin."""
        return {name: self._time(name, loops) for name in self._calls}

    def _time(self, name: str, loops: int) -> float:
        """The shortest of several slices, which other programs interrupted least."""
        _keep_to(self._cores)
        slices = []
        for call in self._calls[name]:
            call()  # its memory and its threads find their places
            for _ in range(_SLICES):
                start = time.perf_counter()
                for _ in range(loops):
                    call()
                slices.append((time.perf_counter() - start) / loops)
        return min(slices)


def _keep_to(cores: set[int]) -> None:
    """Both sides' serial steps run on one core, so that no difference between cores is taken for one between commits."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


_COPIES, _SLICES = 3, 3
_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


def main() -> None:
    """Answer requests until there are no more."""
    fastopt.get_num_threads()  # before any thread is bound to one core
    cases: dict[str, Case] = {}
    with np.errstate(all="ignore"):
        for line in sys.stdin:
            request = json.loads(line)
            name, what = request.get("case", ""), request["do"]
            answer: Any = None
            if what == "where":
                answer = fastopt.__file__
            elif what == "open":
                cases[name] = Case(**request["made"])
            elif what == "count":
                answer = cases[name].count(request["seconds"])
            else:
                answer = cases[name].time(request["loops"])
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
