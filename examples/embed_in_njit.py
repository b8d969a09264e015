"""A whole training loop in compiled code, with fastopt's step inside it.

Softmax regression on the handwritten digits that scikit-learn ships, one image per step: far too little
work per step for a loop in Python. `jit_step` gives a kernel that ``@njit`` code can call, and the
optimizer's own state, so that the run can go on from Python afterwards.

Run it with ``python examples/embed_in_njit.py``; it needs scikit-learn for the data.
"""

import time

import numpy as np
from numba import njit
from sklearn.datasets import load_digits

import fastopt

CLASSES = 10


@njit
def gradient(weights, image, label, g):
    """The cross-entropy's gradient for one image, into g; returns the loss."""
    scores = np.dot(weights, image)
    scores -= scores.max()
    likelihood = np.exp(scores)
    likelihood /= likelihood.sum()
    for k in range(len(scores)):
        error = likelihood[k] - (1.0 if k == label else 0.0)
        for j in range(len(image)):
            g[k, j] = error * image[j]
    return -np.log(likelihood[label])


@njit
def epoch(kernel, state, weights, images, labels, order, g):
    """One pass over the images; returns the mean loss. `kernel` is an argument, so any optimizer fits."""
    total = 0.0
    for i in order:
        total += gradient(weights, images[i], labels[i], g)
        kernel(weights, g, state)
    return total / len(order)


def main(epochs=5):
    digits = load_digits()
    bias = np.ones((len(digits.data), 1))
    images = np.hstack([digits.data / 16, bias])
    labels = digits.target
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    train, test = order[:1400], order[1400:]

    weights = np.zeros((CLASSES, images.shape[1]))
    g = np.zeros_like(weights)  # reused: no step allocates
    opt = fastopt.Adam(weights, lr=2e-3)
    kernel, state = opt.jit_step()

    for e in range(epochs):
        start = time.perf_counter()
        loss = epoch(kernel, state, weights, images, labels, rng.permutation(train), g)
        seconds = time.perf_counter() - start
        accuracy = np.mean((images[test] @ weights.T).argmax(1) == labels[test])
        note = " (with compiling)" if e == 0 else ""
        print(f"epoch {e}: loss {loss:.4f}  accuracy {accuracy:.3f}  {1e3 * seconds:.0f} ms{note}")

    # The state is the optimizer's own: step counts and slots are as if step() had been called.
    print(f"steps counted by the optimizer: {opt.state[0]['step']}")
    opt.step(g)
    print(f"and after one more from Python:  {opt.state[0]['step']}")


if __name__ == "__main__":
    main()
