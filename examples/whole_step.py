"""Clipping, a schedule, loss scaling, accumulation and averaging of parameters, in one training loop.

A network learns the handwritten digits that scikit-learn ships, in float32 with scaled losses, as one
trains in half precision. Every update adds up the gradients of two batches. One batch is spoiled on purpose: its
gradients overflow, and the step is skipped.

Gradients can be added up by the optimizer (`accumulate`) or by the trainer, in buffers of its own that the step
clears (`zero_grads`). Both are run, and give the same bits.

Run it with ``python examples/whole_step.py``; it needs scikit-learn for the data.
"""

import numpy as np

import fastopt
from fastopt.cli import trainer

EPOCHS, BATCH, TOGETHER = 20, 64, 2
SPOILED = 30  # the update in which a batch's loss has a weight far too large


class LossScale:
    """What losses are multiplied by: halved after an overflow, doubled after so many steps without."""

    def __init__(self, value=65536.0, growth_interval=2000):
        self.value, self.growth_interval, self.good = value, growth_interval, 0

    def update(self, skipped):
        self.good = 0 if skipped else self.good + 1
        if skipped:
            self.value /= 2
        elif self.good % self.growth_interval == 0:
            self.value *= 2


def optimizer_of(params, updates):
    lr = fastopt.schedules.warmup_cosine_decay_schedule(
        init_value=0.0, peak_value=5e-3, warmup_steps=updates // 10, decay_steps=updates
    )
    return fastopt.AdamW(params, lr=lr, weight_decay=1e-2, ema_decay=0.98)


def by_optimizer(opt, scaled_gradients, options):
    """The optimizer adds up: the trainer's gradients are new arrays in every batch."""
    for grads in scaled_gradients:
        opt.accumulate(grads)
    return opt.step(**options)


def by_trainer(opt, scaled_gradients, options, buffers):
    """The trainer adds up, into buffers that the step clears."""
    for grads in scaled_gradients:
        for total, g in zip(buffers, grads, strict=True):
            total += g
    return opt.step(buffers, zero_grads=True, **options)


def train(x, y, in_buffers, report=None):
    params = trainer.network((x.shape[1], 128, 64, 10), "float32", seed=0)
    chosen = list(trainer.batches(len(x), BATCH, EPOCHS, seed=0))
    updates = len(chosen) // TOGETHER
    opt = optimizer_of(params, updates)
    opt.monitor = True
    loss_scale = LossScale()
    buffers = [np.zeros_like(p) for p in params]
    losses = []

    def scaled_gradients(update):
        weight = 2.0**115 if update == SPOILED else 1.0
        for batch in chosen[update * TOGETHER : (update + 1) * TOGETHER]:
            scale = weight * loss_scale.value
            loss, grads = trainer.loss_and_gradients(params, x[batch], y[batch], scale)
            losses.append(loss)
            yield grads

    for update in range(updates):
        options = {
            "scale": 1 / (TOGETHER * loss_scale.value),
            "clip_norm": 1.0,
            "skip_nonfinite": True,
        }
        with np.errstate(over="ignore", invalid="ignore"):  # in the trainer's own sums
            if in_buffers:
                info = by_trainer(opt, scaled_gradients(update), options, buffers)
            else:
                info = by_optimizer(opt, scaled_gradients(update), options)
        if report and (info.skipped or update % 30 == 0 or update == updates - 1):
            report(update, np.mean(losses[-TOGETHER:]), info, loss_scale.value, opt, params)
        loss_scale.update(info.skipped)
    return opt, params


def main():
    (x, y), (test_x, test_y) = trainer.digits("float32", seed=0)

    def report(update, loss, info, loss_scale, opt, params):
        moved = "skipped" if info.skipped else f"{info.update_norm / info.param_norm:.1e}"
        own, averaged = (trainer.accuracy(a, test_x, test_y) for a in (params, opt.ema_params))
        print(
            f"{update:6}  {loss:6.4f}  {info.grad_norm:9.3f}  {moved:>9}  {loss_scale:10.0f}"
            f"  {own:8.2%}  {averaged:14.2%}"
        )

    print("update    loss  grad norm  rel. move  loss scale  accuracy  of the average")
    opt, params = train(x, y, in_buffers=False, report=report)
    print(f"{opt.steps_taken} steps taken, {opt.skipped_steps} skipped")

    _, same = train(x, y, in_buffers=True)
    equal = all(np.array_equal(a, b) for a, b in zip(params, same, strict=True))
    print(f"gradients added up by the trainer give the same parameters: {equal}")


if __name__ == "__main__":
    main()
