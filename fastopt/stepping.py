"""The steps of an optimizer: of whole parameters, and of some of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt import gradients, touched
from fastopt.pipeline import Request, decide, options_and_inputs
from fastopt.runner import Runner
from fastopt.stateful import Stateful
from fastopt.step_info import StepInfo
from fastopt.variant import MONITOR, ROWS, ZERO_GRADS

_DONE, _PLAIN = StepInfo(), Request()
_ONE = 1.0  # the very object by default: told from others without a comparison
_ACCUMULATED: Any = object()  # stands for the gradients that `accumulate` has added up


class Stepping(Stateful):
    """The part of `fastopt.Optimizer` that steps."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.inputs:
            cls.supports = cls.supports - {"jit_step", "rows"}
            if cls.step is Stepping.step:  # which feels every call, and looks for none
                cls.step = Stepping._step_with_inputs  # type: ignore[method-assign]

    def step(
        self,
        grads: Any = _ACCUMULATED,
        *,
        scale: float = _ONE,
        clip_norm: float | None = None,
        clip_norm_each: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        zero_grads: bool = False,
        clip_adaptive: float | tuple[float, int] | None = None,
        stream: Any = None,
    ) -> StepInfo:
        """Update the parameters in place, in one pass over memory.

        Parameters
        ----------
        grads : structured as `params`
            Arrays of the parameters' shapes and dtypes, any strides; only read, unless `zero_grads`. None leaves
            that parameter, its slots and its step count alone. Left out: what `accumulate` has added up.
        scale : float
            Gradients are multiplied by it first: the inverse of what a loss was multiplied by, or of the
            number of batches that were accumulated.
        clip_norm : float, optional
            Then by min(1, clip_norm / their global L2 norm), for which they are read once more.
        clip_norm_each : float, optional
            Or each tensor's by min(1, clip_norm_each / its own norm).
        clip_value : float, optional
            Then each number is clamped to [-clip_value, clip_value]; of complex ones each part. NaN stays NaN.
        skip_nonfinite : bool
            Change nothing, and count the step in `skipped_steps` only, if a scaled gradient is not finite.
        zero_grads : bool
            Write zeros into the gradients, also of a skipped step.
        clip_adaptive : float or tuple of float and int, optional
            In place of the other norms: multiply the gradient of each unit, which feeds one output of a layer, by
            min(1, clip_adaptive max(norm of the unit, 1e-3) / norm of its gradient). Units are numbered by the last axis, and
            all of a vector is one; with ``(clip_adaptive, 0)``, as for torch's layers, by the first.
        stream : optional
            For parameters on a CUDA device: the stream on which gradients are made, and the step will run; torch's,
            CuPy's, Numba's, one with ``__cuda_stream__``, or the number of its handle. The default stream at first, later
            the one last given.

        Returns
        -------
        StepInfo
            Of parameters on a device one that is read when it is asked for.

        Raises
        ------
        TypeError, ValueError
            If a gradient does not fit or overlaps a parameter or a slot, or an option is out of range, or an input
            is missing, unknown or not finite; nothing was changed.
        RuntimeError
            If another thread is stepping this optimizer; if there are neither `grads` nor accumulated ones.

        Notes
        -----
        Optimizers with `inputs` take these by keyword too, such as ``value=loss`` for `fastopt.MoMo`. They are taken as
        they are, not multiplied by `scale`. With `skip_nonfinite`, one that is not finite is a reason to skip.

        Examples
        --------
        >>> w = {"W": np.ones((2, 2)), "b": np.zeros(2)}
        >>> opt = fastopt.SGD(w, lr=0.5)
        >>> info = opt.step({"W": np.ones((2, 2)), "b": None})
        >>> w["W"]
        array([[0.5, 0.5],
               [0.5, 0.5]])
        >>> opt.step({"W": np.full((2, 2), 3.0), "b": None}, clip_norm=1.0).grad_norm
        6.0
        """
        request = _PLAIN
        if (
            (scale is not _ONE and (type(scale) is not float or scale != 1.0)) or clip_norm is not None or clip_norm_each is not None or clip_value is not None
            or skip_nonfinite is not False or zero_grads is not False or clip_adaptive is not None
        ):  # fmt: skip
            request = Request(
                scale,
                clip_norm,
                clip_norm_each,
                clip_value,
                skip_nonfinite,
                zero_grads,
                clip_adaptive,
            )
        self._enter("step")
        try:
            if stream is not None:
                self._use(stream)
            if grads is _ACCUMULATED:
                return self._step_accumulated(request)
            return self._step(self._forest.leaves(grads), request)
        finally:
            self._busy.release()

    def _step_with_inputs(self, grads: Any = _ACCUMULATED, **options: Any) -> StepInfo:
        """`Optimizer.step`, which also takes the `inputs` of the class by keyword, such as ``value=loss``."""
        stream = options.pop("stream", None)
        request = Request(**options_and_inputs(type(self), "step", options))
        with self._alone("step"):
            if stream is not None:
                self._use(stream)
            if grads is _ACCUMULATED:
                return self._step_accumulated(request)
            return self._step(self._forest.leaves(grads), request)

    def _step(self, leaves: list[Any], request: Request) -> StepInfo:
        """A step with these gradients, in order of the parameters; the lock is held."""
        w, runner = self._workspace, self._runner
        if w.follows:
            if request.clip_adaptive is not None:
                self._require_one_count("step: clip_adaptive")
            if w.on_device:
                return self._step_on_device(leaves, request)
            if w.row_steps:  # each row's own count is its step's
                return self._step_touched([None] * len(leaves), leaves, request)
            w.follow()
        if request is _PLAIN and not self.monitor:
            runner.step(leaves)
            w.count[0] += 1
            return _DONE
        held = runner.locate(leaves, zeroed=request.zero_grads)
        asked = frozenset({MONITOR} if self.monitor else ())
        try:
            norm, go, options = decide(runner, request)
            if go:
                runner.update(options | asked)
        finally:
            runner.forget_request()
        zeroed = [given for given, _ in held] if go else leaves
        return self._done(runner, norm, go, zeroed if request.zero_grads else [])

    def _use(self, stream: Any) -> None:
        """Launch on this stream from here on."""
        if not self._workspace.on_device:
            raise TypeError(f"step: stream is {stream!r}; parameters in host memory have none")
        from fastopt.device.streams import handle_of

        self._runner.stream = handle_of(stream)

    def _step_on_device(self, leaves: list[Any], request: Request) -> StepInfo:
        if self._workspace.row_steps:
            return self._step_rows_on_device([None] * len(leaves), leaves, request)
        self._workspace.follow()
        self._runner.exact = self.exact
        if request is _PLAIN and not self.monitor:
            self._runner.step(leaves)
            return _DONE
        from fastopt.device import pipeline

        return pipeline.step(self._runner, leaves, request, self.monitor)  # type: ignore[return-value]

    def _step_rows_on_device(
        self, rows: list[Any], leaves: list[Any], request: Request
    ) -> StepInfo:
        from fastopt.device import rows as on_device

        self._workspace.follow()
        self._runner.exact = self.exact
        self._rows, info = on_device.step(
            self._runner, self._rows, rows, leaves, request, self.monitor
        )
        return info  # type: ignore[return-value]

    def _done(
        self, runner: Runner, norm: float | None, go: bool, zeroed: Sequence[Any]
    ) -> StepInfo:
        """Count the step, set to zero the gradients that the update has not, and tell."""
        for gradient in zeroed:
            if gradient is not None:
                gradient[...] = 0
        self._workspace.count[0 if go else 1] += 1
        sizes = np.sqrt(runner.monitored()).tolist() if self.monitor and go else (None, None)
        return StepInfo(not go, norm, *sizes)

    def _step_accumulated(self, request: Request) -> StepInfo:
        if self._accumulator is None or not self._accumulator.pending:
            raise RuntimeError("step: no gradients were given and none accumulated")
        missing = len(self._workspace.parameters) - len(self._accumulator.sums())
        info = self._step(self._accumulator.sums() + [None] * missing, request)
        self._accumulator.clear()
        return info

    def step_rows(
        self,
        rows: Any,
        row_grads: Any,
        *,
        scale: float = 1.0,
        clip_norm: float | None = None,
        clip_norm_each: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        zero_grads: bool = False,
    ) -> StepInfo:
        """Update only some rows of the parameters, and of their slots, in place: a step for embedding tables.

        The cost is that of these rows, however many the parameter has. All others are left alone, as if they took no part:
        decay, moments and averages of theirs do not change.

        Parameters
        ----------
        rows : structured as `params`
            Integer arrays: which rows of each parameter (numbers along its first axis), in any order. Gradients of a row
            that is named more than once are added up, in the order given. None: the gradient is that of the
            whole parameter.
        row_grads : structured as `params`
            Arrays of the parameters' dtypes, shaped ``rows.shape + p.shape[1:]``: the gradient of ``rows[i]`` at i. None
            leaves that parameter alone.
        scale, clip_norm, clip_norm_each, clip_value, skip_nonfinite, zero_grads
            As for `step`, of the rows' added gradients.

        Returns
        -------
        StepInfo

        Raises
        ------
        TypeError, ValueError
            If rows or gradients do not fit, if a parameter has fewer than two dimensions or is not in C order, and if
            the rule needs sums over more than a row. Nothing was changed.

        Notes
        -----
        The step count, and with it bias correction and schedules, is the parameter's, as in torch.optim.SparseAdam. Rules
        whose first step differs from the others (`Formula.first_step`) count for each row: ``opt.state[k]["row_step"]``.

        Examples
        --------
        >>> table = np.zeros((1000, 2))
        >>> opt = fastopt.Adagrad(table, lr=0.5)
        >>> info = opt.step_rows([7, 3, 7], np.array([[1.0, 0.0], [2.0, 2.0], [1.0, 0.0]]))
        >>> table[[3, 7]]
        array([[-0.5, -0.5],
               [-0.5,  0. ]])
        """
        if not touched.takes_rows(type(self)):
            raise TypeError(
                f"{type(self).__name__} does not support step_rows: it needs whole arrays"
            )
        request = Request(scale, clip_norm, clip_norm_each, clip_value, skip_nonfinite, zero_grads)
        numbers, leaves = (
            self._forest.leaves(rows, "rows"),
            self._forest.leaves(row_grads, "row_grads"),
        )
        with self._alone("step_rows"):
            if self._workspace.on_device:
                return self._step_rows_on_device(numbers, leaves, request)
            return self._step_touched(numbers, leaves, request)

    def _step_touched(self, rows: list[Any], leaves: list[Any], request: Request) -> StepInfo:
        """A step of these rows of each parameter, of all where they are None; the lock is held."""
        w = self._workspace
        chosen = touched.accept(w, rows, leaves)
        if request.zero_grads:
            gradients.check_writable(leaves, w.names)
        if self._embedded is not None and any(w.counts_rows(k) for k in range(len(chosen))):
            raise RuntimeError("step_rows: jit_step() has handed out a kernel that counts no rows")
        self._rows = self._rows or touched.RowTables()
        self._rows.forced_shares = self._runner.forced_shares
        if w.follows:
            w.follow()
        runner = Runner(w)
        runner.tables = self._rows.build(w, self._runner.all_tables(), chosen)
        runner.forced_shares = self._runner.forced_shares
        asked = {ROWS, MONITOR} if self.monitor else {ROWS}
        try:
            norm, go, options = decide(runner, request)
            if go:
                runner = touched.by_count(w, runner, chosen)
                runner.update((options | asked) - {ZERO_GRADS})
                touched.count(w, runner.workspace, chosen)
        finally:
            runner.forget_request()
        return self._done(runner, norm, go, leaves if request.zero_grads else [])

    def _require_one_count(self, what: str) -> None:
        if self._workspace.row_steps:
            raise RuntimeError(f"{what}: rows have step counts of their own since step_rows")
