"""What `benchmarks.training` trains on: data that scikit-learn ships, a network, and a loss to be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from fastopt.cli import trainer

Error = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Problem:
    """A network, its data, and the loss that is to be reached.

    Attributes
    ----------
    sizes : tuple of int
        Widths of the network's layers.
    data, test : list of two arrays
        Inputs and targets.
    error : callable
        Loss of outputs against targets, and its gradient with respect to the outputs.
    score : callable
        What the results on the test data are judged by, of outputs and targets.
    batch, steps, every : int
        Rows in a batch; steps of a run; steps from one look at the loss of all data to the next.
    target : float
        The loss that is to be reached.
    """

    sizes: tuple[int, ...]
    data: list[np.ndarray]
    test: list[np.ndarray]
    error: Error
    score: Callable[[np.ndarray, np.ndarray], float]
    batch: int
    steps: int
    every: int
    target: float

    def gradients(
        self, params: trainer.Arrays, x: np.ndarray, y: np.ndarray
    ) -> tuple[float, trainer.Arrays]:
        """Loss of a batch and its gradients."""
        activations = trainer.forward(params, x)
        loss, delta = self.error(activations[-1], y)
        return loss, trainer.backward(params, activations, delta)

    def loss(self, params: trainer.Arrays) -> float:
        """That of all training data."""
        x, y = self.data
        return self.error(trainer.forward(params, x)[-1], y)[0]

    def tested(self, params: trainer.Arrays) -> float:
        """The score on the test data."""
        x, y = self.test
        return self.score(trainer.forward(params, x)[-1], y)


def digits() -> Problem:
    """A network with one hidden layer on handwritten digits, judged by the share of test images recognised."""
    data, test = trainer.digits("float32", seed=0)
    return Problem(
        sizes=(64, 32, 10), data=data, test=test, error=trainer.cross_entropy,
        score=lambda logits, y: float((logits.argmax(axis=1) == y).mean()),
        batch=64, steps=460, every=5, target=0.1,
    )  # fmt: skip


def diabetes() -> Problem:
    """Least squares on the diabetes data; the loss is by how much the least possible one is exceeded, relatively."""
    x, y = load_diabetes(return_X_y=True)
    split = train_test_split(x, y[:, None], test_size=0.2, random_state=0)
    scaled = []
    for train, test in (split[:2], split[2:]):
        mean, deviation = train.mean(0), train.std(0)
        scaled += [((a - mean) / deviation).astype(np.float32) for a in (train, test)]
    x, test_x, y, test_y = scaled
    # float64, and a column of ones for the bias
    matrix = np.column_stack([x, np.ones(len(x))])
    best = np.linalg.lstsq(matrix, y.astype(float), rcond=None)[0]
    least = float(np.mean((matrix @ best - y) ** 2))

    def excess(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        d = outputs - targets
        return float(np.mean(d * d, dtype=float)) / least - 1, d * (2 / (len(d) * least))

    def explained(outputs: np.ndarray, targets: np.ndarray) -> float:
        return 1 - float(np.mean((outputs - targets) ** 2) / targets.var())

    return Problem(
        sizes=(10, 1), data=[x, y], test=[test_x, test_y], error=excess, score=explained,
        batch=len(x), steps=500, every=1, target=1e-3,
    )  # fmt: skip


PROBLEMS = {"digits": digits, "diabetes": diabetes}
