"""Whether anything became slower than in a saved run, beyond what the spread between rounds explains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastopt.bench import statistics
from fastopt.bench.cases import Case
from fastopt.bench.measuring import Result
from fastopt.bench.saved import Run
from fastopt.bench.statistics import Ratio, Rounds


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes
    ----------
    step : Ratio
        How many times as slow the step became, told by the fraction of its twin: 1 is as before.
    twin : Ratio
        The same of the twin, told by NumPy's addition: the twin runs through fastopt's drivers too, so that
        what slows all steps alike is seen here. Only of steps by one thread: NumPy takes no more, and
        another's load on a second core would look the same.
    judged : bool
        False if either twin was void.
    slower : bool
        Whether one of both lies beyond the limit with its whole interval, in two measurements.
    """

    case: Case
    step: Ratio
    twin: Ratio
    judged: bool
    slower: bool


def compare(
    before: Result, now: Result, limit: float, again: Callable[[], Result]
) -> tuple[Verdict, Result]:
    """Judge a case; one that looks slower is measured again, and only counts as slower if it does so again.

    Parameters
    ----------
    before, now : Result
        Of the same case.
    limit : float
        How many times as slow is too slow.
    again : callable
        Measures the case anew.

    Returns
    -------
    Verdict
    Result
        The measurement that it rests on.
    """
    verdict = _judge(before, now, limit)
    if not verdict.slower:
        return verdict, now
    second = again()
    return _judge(before, second, limit), second


def _judge(before: Result, now: Result, limit: float) -> Verdict:
    step, twin = (
        statistics.ratio(
            Rounds((now.times[what],), (now.times[by],)),
            Rounds((before.times[by],), (before.times[what],)),
        )
        for what, by in (("own", "twin"), ("twin", "numpy"))
    )
    judged = not (before.void or now.void)
    serial = before.shares == now.shares == 1
    slower = judged and (step.beyond(limit) or (serial and twin.beyond(limit)))
    return Verdict(now.case, step, twin, judged, slower)


def differences(before: Run, now: Run) -> list[str]:
    """What of machine and versions is not the same, for a warning."""
    found = []
    for old, new in ((before.machine, now.machine), (before.versions, now.versions)):
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                found.append(f"{name}: {old.get(name, '?')}, now {new.get(name, '?')}")
    return found


def require_alike(before: Run, now: Run) -> None:
    """Refuse runs whose figures mean different things.

    Raises
    ------
    ValueError
        If they were measured with other threads or another thing between the steps.
    """
    if before.threads != now.threads:
        raise ValueError(f"the saved run had {before.threads} threads, this one {now.threads}")
    if before.settings.between != now.settings.between:
        raise ValueError(
            f"the saved run had {before.settings.between} between its steps, this one {now.settings.between}"
        )
