"""A mini-batch trainer in plain NumPy, as one would write it: what the demo trains with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Arrays = list[np.ndarray]


def digits(dtype: str, seed: int) -> tuple[Arrays, Arrays]:
    """The 1,797 handwritten digits that scikit-learn ships: (images, labels) to train on and to test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(
        (images / 16).astype(dtype), labels, test_size=0.2, random_state=seed, stratify=labels
    )
    return [a, c], [b, d]


def network(sizes: tuple[int, ...], dtype: str, seed: int) -> Arrays:
    """Weights (He et al. 2015) and biases of every layer, in turn."""
    rng = np.random.default_rng(seed)
    params: Arrays = []
    for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
        params.append((rng.normal(size=(fan_in, fan_out)) * np.sqrt(2 / fan_in)).astype(dtype))
        params.append(np.zeros(fan_out, dtype))
    return params


def batches(count: int, batch: int, epochs: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of the images of each step, shuffled anew in each epoch."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(count)
        yield from (order[i : i + batch] for i in range(0, count, batch))


def forward(params: Arrays, x: np.ndarray) -> Arrays:
    """The activations of every layer: ReLU, and logits at the end."""
    activations = [x]
    last = len(params) // 2 - 1
    for layer in range(last + 1):
        z = activations[-1] @ params[2 * layer] + params[2 * layer + 1]
        activations.append(z if layer == last else np.maximum(z, 0))
    return activations


def loss_and_gradients(
    params: Arrays, x: np.ndarray, y: np.ndarray, loss_scale: float = 1.0
) -> tuple[float, Arrays]:
    """Softmax cross-entropy of a batch, and the gradients of `loss_scale` times it by back-propagation."""
    activations = forward(params, x)
    loss, delta = cross_entropy(activations[-1], y, loss_scale)
    return loss, backward(params, activations, delta)


def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, loss_scale: float = 1.0
) -> tuple[float, np.ndarray]:
    """Mean softmax cross-entropy, and the gradient of `loss_scale` times it with respect to the logits."""
    z = logits - logits.max(axis=1, keepdims=True)
    exp = np.exp(z)
    total = exp.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float((np.log(total[:, 0]) - z[rows, labels]).mean())
    probabilities = exp / total
    probabilities[rows, labels] -= 1
    return loss, probabilities / (len(labels) / loss_scale)


def backward(params: Arrays, activations: Arrays, delta: np.ndarray) -> Arrays:
    """Gradients of all weights and biases, from `delta`, that of the last layer's output."""
    grads: Arrays = []
    for layer in reversed(range(len(params) // 2)):
        grads += [delta.sum(axis=0), activations[layer].T @ delta]
        if layer:
            delta = (delta @ params[2 * layer].T) * (activations[layer] > 0)
    return grads[::-1]


def accuracy(params: Arrays, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images recognised."""
    return float((forward(params, x)[-1].argmax(axis=1) == y).mean())


class TextbookAdam:
    """Adam as texts write it in NumPy."""

    def __init__(self, params: Arrays, lr: float) -> None:
        self.params, self.lr, self.t = params, lr, 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]

    def step(
        self, grads: Arrays, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        """One step over all parameters."""
        self.t += 1
        for i, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            self.m[i] = beta1 * self.m[i] + (1 - beta1) * g
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * g**2
            m_hat = self.m[i] / (1 - beta1**self.t)
            v_hat = self.v[i] / (1 - beta2**self.t)
            p -= self.lr * m_hat / (np.sqrt(v_hat) + eps)


class BufferedAdam:
    """The same without temporary arrays: every operation writes into a buffer that is kept."""

    def __init__(self, params: Arrays, lr: float) -> None:
        self.params, self.lr, self.t = params, lr, 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]
        self.buffers = [(np.empty_like(p), np.empty_like(p)) for p in params]

    def step(
        self, grads: Arrays, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        """One step over all parameters."""
        self.t += 1
        correction1, correction2 = 1 - beta1**self.t, 1 - beta2**self.t
        arrays = zip(self.params, grads, self.m, self.v, self.buffers, strict=True)
        for p, g, m, v, (a, b) in arrays:
            m *= beta1
            np.multiply(g, 1 - beta1, out=a)
            m += a
            v *= beta2
            np.multiply(g, g, out=a)
            a *= 1 - beta2
            v += a
            np.divide(v, correction2, out=a)
            np.sqrt(a, out=a)
            a += eps
            np.divide(m, correction1, out=b)
            b *= self.lr
            b /= a
            p -= b
