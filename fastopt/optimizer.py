"""The base class of all optimizers: fastopt's own and yours."""

from __future__ import annotations

from typing import Any

from fastopt import embed, proposal
from fastopt.pipeline import Request, options_and_inputs
from fastopt.stepping import Stepping


class Optimizer(Stepping):
    """Base class: a subclass gives the formula, and gets every driver, storage and option.

    Parameters
    ----------
    params : array, nested sequences, mappings or dataclasses of arrays, or a sequence of groups
        What is updated, in place: NumPy arrays, or arrays on a CUDA device (docs/cuda.md). float32, float64, complex64 or complex128 arrays of any shape, C- or F-contiguous,
        writable, that share no memory. A group is a mapping with ``"params"`` (any of these) and
        hyperparameters of its own.
    **hyperparameters
        Values by name: numbers, booleans, tuples of numbers, or names out of `choices`. A number may be a schedule: one of
        `fastopt.schedules`, or any callable that is given `steps_taken`.
    ema_decay : float, optional
        Any optimizer takes it: keeps a moving average of the parameters in the same pass, `ema_params`.
    bounds : tuple of two numbers or None, optional
        Any optimizer takes it: (low, high) that parameters are projected onto after the update, in the same pass;
        None leaves a side open. Of complex parameters both parts.

    Attributes
    ----------
    monitor : bool
        True adds ``update_norm`` and ``param_norm`` to what `step` returns.
    exact : bool
        On a CUDA device, True lets kernels fuse no multiplication with an addition, which gives the bits of steps in
        host memory; those are always exact.

    Raises
    ------
    TypeError, ValueError
        For whatever cannot be updated in place, and for hyperparameters outside their domain.

    Examples
    --------
    Sign descent with momentum, in ten lines:

    >>> from fastopt.scalar import sign
    >>> class Signum(fastopt.Optimizer):
    ...     slots = {"momentum_buffer": fastopt.Slot()}
    ...     def __init__(self, params, lr=1e-3, momentum=0.9):
    ...         super().__init__(params, lr=lr, momentum=momentum)
    ...     @staticmethod
    ...     def coefficients(h, t):
    ...         return h["lr"], h["momentum"], 1 - h["momentum"]
    ...     @staticmethod
    ...     def update(c, p, g, s):
    ...         lr, mu, a = c
    ...         (m,) = s
    ...         m = mu * m + a * g
    ...         return p - lr * sign(m), (m,)
    >>> w = np.array([1.0, -2.0])
    >>> Signum(w, lr=0.5).step(np.array([3.0, -4.0]))
    StepInfo(skipped=False, grad_norm=None)
    >>> w
    array([ 0.5, -1.5])
    """

    def accumulate(self, grads: Any) -> None:
        """Add gradients into the optimizer's own buffer; ``step()`` without gradients uses and clears it.

        Parameters
        ----------
        grads : structured as `params`
            None adds nothing; a parameter that got only None has no gradient in the step.

        Notes
        -----
        The sum is taken as it is: for a mean over n batches, ``step(scale=1 / n)``. It is no part of `state_dict`.

        Examples
        --------
        >>> w = np.zeros(2)
        >>> opt = fastopt.SGD(w, lr=1.0)
        >>> for g in ([1.0, 2.0], [3.0, 4.0]):
        ...     opt.accumulate(np.array(g))
        >>> info = opt.step(scale=1 / 2)
        >>> w
        array([-2., -3.])
        """
        from fastopt.accumulation import extended

        leaves = self._forest.leaves(grads)
        with self._alone("accumulate"):
            w = self._workspace
            self._accumulator = extended(self._accumulator, w.parameters, w.names)
            if w.on_device:
                self._accumulator._use(self._runner.stream)
            self._accumulator.add(leaves)

    def _fold(self, name: str, arrays: Any, what: str) -> None:
        """Take in arrays, checked like gradients, by one of `folds`; `what` names them in messages."""
        leaves = self._forest.leaves(arrays, what)
        with self._alone(name):
            w, runner = self._workspace, self._runner
            if w.follows:
                w.follow()
            held = runner.locate(leaves, what=what)
            runner.move(name, w.gradients)
            del held

    def propose(
        self,
        grads: Any,
        out: Any = None,
        *,
        scale: float = 1.0,
        clip_norm: float | None = None,
        clip_norm_each: float | None = None,
        clip_value: float | None = None,
        clip_adaptive: float | tuple[float, int] | None = None,
        **inputs: float,
    ) -> Any:
        """Write the parameters that `step` would give elsewhere, and change nothing.

        Parameters
        ----------
        grads : structured as `params`
        out : structured as `params`, optional
            Contiguous writable arrays of the parameters' shapes, dtypes and memory order; new ones if left out.
        scale, clip_norm, clip_norm_each, clip_value, clip_adaptive
            As for `step`.
        **inputs
            Those of the class, as for `step`.

        Returns
        -------
        structured as `params`
            `out`. A parameter without a gradient is copied.

        Examples
        --------
        >>> w = np.array([1.0, 2.0])
        >>> opt = fastopt.Adam(w, lr=0.5)
        >>> opt.propose(np.array([3.0, -4.0])), w, opt.state[0]["step"]
        (array([0.5, 2.5]), array([1., 2.]), 0)
        """
        given = options_and_inputs(type(self), "propose", inputs, others=())
        given["clip_adaptive"] = clip_adaptive
        request = Request(scale, clip_norm, clip_norm_each, clip_value, **given)
        leaves = self._forest.leaves(grads)
        places = None if out is None else self._forest.leaves(out, "out")
        with self._alone("propose"):
            self._require_one_count("propose")
            if self._workspace.on_device:
                from fastopt.device import pipeline

                self._workspace.follow()
                self._runner.exact = self.exact
                made: Any = pipeline.propose(self._runner, leaves, places, request)
            else:
                made = proposal.propose(self._workspace, self._runner, leaves, places, request)
        return self._forest.build(made) if out is None else out

    def jit_step(self) -> tuple[Any, Any]:
        """Give the step for use in ``@njit`` code: ``kernel(p, g, state)``.

        Returns
        -------
        kernel : callable
            From Python and from compiled code, for a 1-D or contiguous array of the parameter's dtype. Runs in
            the calling thread.
        state : tuple
            This optimizer's own slots and step count, not a copy.

        Raises
        ------
        ValueError
            Unless the optimizer has exactly one parameter.

        Examples
        --------
        >>> w = np.ones(4)
        >>> opt = fastopt.SGD(w, lr=0.25)
        >>> kernel, state = opt.jit_step()
        >>> kernel(w, np.ones(4), state)
        >>> w, opt.state[0]["step"]
        (array([0.75, 0.75, 0.75, 0.75]), 1)
        """
        self._require_host("jit_step")
        self._require_support("jit_step")
        with self._alone("jit_step"):
            self._require_one_count("jit_step")
            kernel, state = embed.jit_step(self._workspace)
            self._embedded = self._workspace.declared.present(self._workspace.groups[0])
        return kernel, state
