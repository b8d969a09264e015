"""Yogi as one would write it oneself, by subclassing, used on real data.

Adam's second moment forgets large gradients by a constant factor. Yogi moves it by a bounded amount
instead: ``v -= (1 - beta2) * sign(v - g**2) * g**2``. Source: Zaheer et al. 2018, "Adaptive methods
for nonconvex optimization", algorithm 2; bias correction as in optax. `fastopt.Yogi` follows optax in
the start of the momentum too.

Run it with ``python examples/own_optimizer.py``; it needs scikit-learn for the data.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer

import fastopt
from fastopt.scalar import power, sign, sqrt


class Yogi(fastopt.Optimizer):
    """Adam with an additive second moment; it starts at a small positive number."""

    slots = {
        "exp_avg": fastopt.Slot(),
        "exp_avg_sq": fastopt.Slot(initial=lambda h, p: h["initial_accumulator_value"]),
    }
    domains = {"initial_accumulator_value": fastopt.Interval(0)}

    def __init__(
        self,
        params,
        lr=1e-2,
        betas=(0.9, 0.999),
        eps=1e-3,
        initial_accumulator_value=1e-6,
        maximize=False,
    ):
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            initial_accumulator_value=initial_accumulator_value,
            maximize=maximize,
        )

    @staticmethod
    def coefficients(h, t):
        # Once per step in float64, so update() has no powers and one division.
        correction1 = 1 - power(h["beta1"], t)
        root2 = sqrt(1 - power(h["beta2"], t))
        return 1 - h["beta1"], 1 - h["beta2"], h["lr"] * root2 / correction1, h["eps"] * root2

    @staticmethod
    def update(c, p, g, s):
        fresh1, fresh2, step, eps = c
        m, v = s
        square = g * g
        m = m + fresh1 * (g - m)
        v = v - fresh2 * (sign(v - square) * square)
        return p - step * (m / (sqrt(v) + eps)), (m, v)


def train(optimizer, epochs=200, **hyperparameters):
    """Logistic regression on the Wisconsin breast-cancer data; returns loss and test accuracy."""
    data = load_breast_cancer()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], data.target[order].astype(np.float64)
    train_x, train_y, test_x, test_y = x[:400], y[:400], x[400:], y[400:]

    params = {"w": np.zeros(x.shape[1]), "b": np.zeros(())}
    opt = optimizer(params, **hyperparameters)
    for _ in range(epochs):
        p = 1 / (1 + np.exp(-(train_x @ params["w"] + params["b"])))
        error = (p - train_y) / len(train_y)
        opt.step({"w": train_x.T @ error, "b": error.sum()})
    p = 1 / (1 + np.exp(-(test_x @ params["w"] + params["b"])))
    loss = -np.mean(np.log(np.where(test_y == 1, p, 1 - p)))
    return loss, np.mean((p > 0.5) == test_y)


if __name__ == "__main__":
    for optimizer in (fastopt.SGD, fastopt.Adam, Yogi):
        loss, accuracy = train(optimizer, lr=0.02)
        print(f"{optimizer.__name__:5}  test loss {loss:.4f}  accuracy {accuracy:.3f}")

    fastopt.check(Yogi)  # raises AssertionError with a line for each failure
    print("fastopt.check(Yogi): all checks passed")
