"""The figures of `fastopt.study.figures`: the numbers behind each, and that what is drawn is those numbers."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pytest

import fastopt
from fastopt.study import figures, objectives, trace
from fastopt.study.methods import method

averages, hills, second_steps, speed, style, updates = (
    pytest.importorskip(
        f"fastopt.study.figures.{name}", reason="a library is not installed (extra: plot)"
    )
    for name in ("averages", "hills", "second_steps", "speed", "style", "updates")
)
pytest.importorskip("vega_datasets", reason="vega_datasets is not installed (extra: plot)")

GALLERY = Path(__file__).parent.parent / "docs" / "gallery"
SMALL = {
    "acceleration": {"resolution": 11},
    "amplification": {"resolution": 11},
    "adam_amplification": {"resolution": 11, "steps": 3},
    "error_courses": {"steps": 30},
    "trajectory": {"objective": "booth", "optimizers": "SGD,Adam", "steps": 10},
    "saddle": {"steps": 10},
    "learning_rates": {"steps": 10},
    "basins": {"optimizers": "SGD,Momentum", "resolution": 8, "steps": 10},
    "rate_map": {"optimizers": "Momentum", "resolution": 5, "steps": 30},
}


@pytest.mark.parametrize("name", figures.__all__)
def test_each_figure_draws(name, tmp_path):
    draw = getattr(figures, name)
    figure = draw(**SMALL.get(name, {}))
    figure.savefig(tmp_path / "figure.png", dpi=40)
    assert (tmp_path / "figure.png").stat().st_size > 2_000
    assert all(axes.has_data() for axes in figure.axes)
    documented = inspect.getdoc(draw)
    assert all(f"{parameter}" in documented for parameter in inspect.signature(draw).parameters)


def test_each_figure_is_in_the_gallery():
    pages = "".join(page.read_text("utf-8") for page in GALLERY.glob("*.md"))
    drawn = re.findall(r"figures\.(\w+)\(.*\)\.savefig\(\"(\w+)\.png\"\)", pages)
    assert sorted(drawn) == sorted((name, name) for name in figures.__all__)
    assert all(f"](generated/{name}.png)" in pages for name in figures.__all__)


def test_no_global_state():
    import subprocess
    import sys

    program = (
        "import sys; from fastopt.study import figures; figures.acceleration(resolution=5); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ---- two updates --------------------------------------------------------------------------------


def test_second_update_of_momentum_is_a_sum():
    bowl, start, lr = objectives.quadratic, np.array([-15.0, 20.0]), 0.04
    found = updates.two_updates(method(fastopt.Momentum, {"lr": lr, "momentum": 0.9}), bowl, start)
    descent = updates.two_updates(method(fastopt.SGD, {"lr": lr}), bowl, start)
    np.testing.assert_allclose(found, [[-15, 20], [-11.4, 4], [-5.424, -13.6]], rtol=1e-13)
    np.testing.assert_allclose(descent, [[-15, 20], [-11.4, 4], [-8.664, 0.8]], rtol=1e-13)
    rest = found[2] - updates.gradient_step(bowl, found[1], lr)
    np.testing.assert_allclose(rest, 0.9 * (found[1] - found[0]), rtol=1e-12)


def test_arrows_are_the_updates():
    figure = figures.momentum_updates(lr=0.04)
    arrows = [t for t in figure.axes[1].texts if t.arrow_patch is not None]
    ends = [(*a.xyann, *a.xy) for a in arrows]
    np.testing.assert_allclose(
        ends,
        [(-15, 20, -11.4, 4), (-11.4, 4, -5.424, -13.6), (-11.4, 4, -8.664, 0.8), (-8.664, 0.8, -5.424, -13.6)],
        rtol=1e-12,
    )  # fmt: skip


def test_first_adaptive_updates_know_only_signs():
    for name, lr, length in (("Adagrad", 5.0, 5.0), ("RMSprop", 0.5, 5.0), ("Adam", 5.0, 5.0)):
        chosen = method(getattr(fastopt, name), {"lr": lr})
        points = updates.two_updates(chosen, objectives.quadratic, (-15.0, 20.0))
        np.testing.assert_allclose(
            points[1] - points[0], (length, -length), rtol=1e-6, err_msg=name
        )


# ---- maps over two gradients ----------------------------------------------------------------------


def test_acceleration_map():
    g1, g2 = gradients = second_steps.pairs(21)
    for form, unit in (("heavy_ball", 1.0), ("ema", 0.1), ("velocity", 1.0)):
        expected = np.sign(g1) * unit * (0.9 * g1 + g2) - np.abs(unit * g1)
        expected[g1 == 0] = np.nan
        found = second_steps.acceleration_map(gradients, 0.9, form)
        np.testing.assert_allclose(found, expected, atol=1e-15, err_msg=form)


def test_acceleration_changes_sign_at_a_tenth():
    line = np.array([[1.0, 1.0, -1.0, -1.0], [0.11, 0.09, -0.11, -0.09]])
    assert np.sign(second_steps.acceleration_map(line, 0.9)).tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99])
def test_amplification_map(beta):
    g1, g2 = gradients = second_steps.pairs(20)  # 21 points a side
    average = (1 - beta) * (beta * g1**2 + g2**2)
    expected = np.abs(g2) / (np.sqrt(average) + 1e-8) - np.abs(g2)
    found = second_steps.amplification_map(fastopt.RMSprop, gradients, alpha=beta)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_amplification_ends_on_an_ellipse():
    beta, angle = 0.5, np.linspace(0.1, 3.0, 30)
    border = np.array(
        [np.cos(angle) / math.sqrt(beta * (1 - beta)), np.sin(angle) / math.sqrt(1 - beta)]
    )
    for factor, sign in ((0.99, 1), (1.01, -1)):
        found = second_steps.amplification_map(fastopt.RMSprop, factor * border, alpha=beta)
        assert (np.sign(found) == sign).all()


def test_correction_of_the_second_step_of_adam():
    gradients = second_steps.pairs(11)
    steps = {}
    for corrected in (False, True):
        options = {"lr": 1.0, "eps": 0.0, "bias_correction": corrected}
        some = gradients.reshape(2, -1)[:, gradients[1].ravel() != 0]
        steps[corrected] = [p for p, _ in second_steps.responses(fastopt.Adam, some, **options)][1]
    factor = math.sqrt(1 - 0.999**2) / (1 - 0.9**2)
    assert f"{factor:.4f}" == "0.2353"
    np.testing.assert_allclose(steps[True], factor * steps[False], rtol=1e-12)
    assert f"{second_steps.prefactors(2)[1]:.4f}" == "0.2353"
    texts = [t.get_text() for t in figures.adam_amplification(steps=5, resolution=5).axes[2].texts]
    assert texts == ["second step: 0.2353"]


def test_prefactors_at_every_step():
    t = np.arange(1, 2001)
    found = second_steps.prefactors(2000)
    np.testing.assert_allclose(found, np.sqrt(1 - 0.999**t) / (1 - 0.9**t), rtol=1e-9)
    assert found.argmin() + 1 == 12


def test_map_that_is_drawn():
    figure = figures.acceleration(momentum=0.5, resolution=5)
    drawn = figure.axes[0].collections[0].get_array().reshape(5, 5)
    expected = second_steps.acceleration_map(second_steps.pairs(5), 0.5)
    np.testing.assert_array_equal(drawn.filled(np.nan), expected)


# ---- speed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.9])
def test_steps_grow_to_the_promised_length(momentum):
    grown = speed.growth(momentum, 400)
    t = np.arange(1, 401)
    np.testing.assert_allclose(grown, (1 - momentum**t) / (1 - momentum), rtol=1e-12)
    assert grown[-1] == pytest.approx(1 / (1 - momentum), rel=1e-12)


@pytest.mark.parametrize("momentum", [0.6, 0.9])
def test_speed_up_in_the_bowl(momentum):
    """As theory says, within what 700 steps can tell and the growth at the start costs."""
    start = (-15.0, 20.0)
    descent, faster = (speed.errors("quadratic", m, start, 700, 1e-4) for m in (0.0, momentum))
    assert speed.speed_up(faster, descent) == pytest.approx(1 / (1 - momentum), rel=0.02)


def test_speed_up_of_what_never_arrives():
    assert math.isnan(speed.speed_up(np.array([3.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])))
    assert speed.speed_up(np.array([3.0, 1.0, 2.0, 0.5]), np.array([3.0, 2.5, 2.0, 1.0])) == 1


def test_errors_that_are_drawn():
    figure = figures.error_courses(steps=50)
    for line, momentum in zip(figure.axes[0].lines, (0, 0.6, 0.9), strict=False):
        expected = speed.errors("quadratic", momentum, (-15.0, 20.0), 50, 1e-4)
        np.testing.assert_array_equal(line.get_ydata(), expected)


# ---- trajectories ------------------------------------------------------------------------------


def test_what_trajectory_draws_is_the_trace():
    figure = figures.trajectory("booth", "Adam", steps=30, lr=0.2)
    ground, error, first, second = figure.axes
    found = trace(fastopt.Adam, "booth", steps=30, lr=0.2)
    line = next(line for line in ground.lines if line.get_label() == "Adam")
    np.testing.assert_array_equal(line.get_xydata(), found.points)
    np.testing.assert_array_equal(error.lines[0].get_ydata(), found.values)
    for axes, slot in ((first, "exp_avg"), (second, "exp_avg_sq")):
        drawn = np.column_stack([line.get_ydata() for line in axes.lines])
        np.testing.assert_array_equal(drawn, found.slots[slot])


def test_what_leaves_the_panels_is_seen_leaving():
    figure = figures.trajectory("rosenbrock", "SGD(lr=1.0)", steps=30)
    ground, error = figure.axes
    values = trace(fastopt.SGD, "rosenbrock", steps=30, lr=1.0).values
    (course,) = error.lines
    np.testing.assert_array_equal(course.get_ydata(), values)
    assert error.get_ylim()[1] < values[1]
    assert error.get_xlim()[1] > 30
    (path,) = (line for line in ground.lines if line.get_label() == "SGD(lr=1.0)")
    start, away, *rest = path.get_xydata()
    found = trace(fastopt.SGD, "rosenbrock", steps=1, lr=1.0).points
    way = (away - start) / np.linalg.norm(away - start)
    np.testing.assert_allclose(way, (found[1] - found[0]) / np.linalg.norm(found[1] - found[0]))
    assert 4 < np.linalg.norm(away - start) < 100
    assert np.isnan(rest).all()


def test_adaptive_methods_leave_the_saddle_first():
    """By the step at which the value falls below 0: along the diagonal at once, along the ridge much later."""
    left = {
        name: int(np.flatnonzero(trace(cls, "saddle", steps=400, lr=0.01).values < -0.5)[0])
        for name, cls in (("SGD", fastopt.SGD), ("Momentum", fastopt.Momentum), ("RMSprop", fastopt.RMSprop))
    }  # fmt: skip
    assert left["RMSprop"] < left["Momentum"] < left["SGD"]


def test_nesterov_swings_less():
    options = {"steps": 150, "lr": 0.005, "momentum": 0.95}
    errors = [trace(cls, "quadratic", **options).values for cls in (fastopt.NAG, fastopt.Momentum)]
    assert errors[0][-20:].max() < errors[1][-20:].max() / 50


def test_fixed_distance_is_fixed_and_never_stops():
    found = trace(fastopt.NormalizedGD, "beale", steps=150, lr=0.1)
    steps = np.abs(np.diff(found.points, axis=0))
    np.testing.assert_allclose(steps[np.abs(found.gradients) > 1e-3], 0.1, rtol=1e-4)
    assert (np.abs(found.gradients) > 1e-3).mean() > 0.99
    smooth = np.diff(trace(fastopt.Adam, "beale", steps=150, lr=0.1).points, axis=0)
    assert np.abs(smooth[-20:]).max() < 0.02


def test_hole():
    for beta, end in ((0.0, 0.0838), (0.9, 0.0838), (0.91, 3.0), (0.95, 3.0)):
        points, moment = hills.rolled("hill", beta, (-3.0, 0.0), 300, 0.05)
        assert points[-1, 0] == pytest.approx(end, abs=0.02), beta
        gradients = trace(
            fastopt.Momentum, "hill", (-3.0, 0.0), 300, lr=0.05, momentum=beta, form="ema", bias_correction=True,
        ).gradients  # fmt: skip
        average = fastopt.smoothing.ema(gradients, beta, init="zero", bias_correction=True)
        np.testing.assert_allclose(moment, average, atol=1e-12)


# ---- averages ------------------------------------------------------------------------------------


def test_temperatures():
    days, degrees = averages.seattle(2012)
    assert len(days) == len(degrees) == 366
    assert (np.diff(days).astype(int) == 1).all()
    assert degrees.min() > -20
    assert degrees.max() < 45
    assert str(days[degrees.argmax()])[:7] == "2012-08"
    figure = figures.temperatures(betas=(0.98,))
    _, corrected, raw = (line.get_ydata() for line in figure.axes[0].lines[:3])
    weights = 0.98 ** np.arange(365, -1, -1)
    assert corrected[-1] == pytest.approx(weights @ degrees / weights.sum(), rel=1e-12)
    assert raw[-1] == pytest.approx(0.02 * weights @ degrees, rel=1e-12)
    assert corrected[0] == pytest.approx(degrees[0], rel=1e-12)
    with pytest.raises(ValueError, match="year is 1900; the data has 2012 to 2015"):
        averages.seattle(1900)


# ---- style ---------------------------------------------------------------------------------------


def test_every_optimizer_can_be_told_apart():
    names = [*style.CLASSIC, "SGD", "SGD"]
    looks = style.lines(names)
    assert len({(look["color"], str(look["linestyle"])) for look in looks}) == len(names)
    assert len({style.color(name) for name in style.CLASSIC}) == len(style.CLASSIC)
    assert all(style.color(name) in style.PALETTE for name in fastopt.optimizers.__all__)


def test_contours_are_logarithmic_above_a_minimum_only():
    _, _, points = style.grid(((-1.0, 1.0), (-1.0, 1.0)), 30)
    bowl, saddle = objectives.quadratic, objectives.saddle
    above = style.levels(bowl, bowl.value(points))
    np.testing.assert_allclose(np.diff(np.log(above)), np.log(above[1] / above[0]), rtol=1e-9)
    even = style.levels(saddle, saddle.value(points))
    np.testing.assert_allclose(np.diff(even), even[1] - even[0], rtol=1e-9)


@pytest.mark.parametrize("text", ["0*x + 1", "log(x)", "1/x", "sqrt(x - 10)"])
def test_surfaces_with_gaps(text, tmp_path):
    pytest.importorskip("sympy", reason="SymPy is not installed (extra: study)")
    with np.errstate(all="ignore"):
        figure = figures.trajectory(text, "SGD", start=(1.0, 1.0), steps=3, lr=0.1)
        figure.savefig(tmp_path / "figure.png", dpi=40)


def test_a_minimum_is_needed():
    for draw in (figures.error_courses, figures.rate_map):
        with pytest.raises(ValueError, match="no minimum"):
            draw("saddle")
    with pytest.raises(ValueError, match="SignSGD has no memory to vary"):
        figures.rate_map(optimizers="SignSGD", resolution=3)


@pytest.mark.parametrize(("name", "options", "error", "message"), [
    ("hole", {"betas": ()}, ValueError, "betas is (); expected one number or more"),
    ("temperatures", {"betas": 0.5}, TypeError, "betas is 0.5; expected a sequence"),
    ("amplification", {"betas": "0.5"}, TypeError, "betas is '0.5'; expected a sequence"),
    ("learning_rates", {"rates": ("a",)}, TypeError, "rates has 'a'; expected numbers"),
    ("error_courses", {"momenta": []}, ValueError, "momenta is []"),
    ("acceleration", {"resolution": 0}, ValueError, "resolution is 0"),
    ("rate_map", {"rates": (0.0, 1.0)}, ValueError, "rates is (0.0, 1.0); expected two numbers"),
    ("rate_map", {"rates": (1.0,)}, ValueError, "rates is (1.0,)"),
    ("rate_map", {"decays": (0.9, 0.1)}, ValueError, "decays is (0.9, 0.1)"),
    ("trajectory", {"steps": -1}, ValueError, "steps is -1"),
    ("trajectory", {"objective": 3}, TypeError, "objective is 3"),
])  # fmt: skip
def test_what_figures_refuse(name, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        getattr(figures, name)(**options)


def test_all_that_is_remembered_is_shown():
    figure = figures.trajectory("booth", "NAdam,Adagrad", steps=5, lr=0.1)
    found = [trace(cls, "booth", steps=5, lr=0.1) for cls in (fastopt.NAdam, fastopt.Adagrad)]
    names = [
        f"{one.optimizer.__name__}: {name}"
        for one in found
        for name in {**one.slots, **one.running}
    ]
    assert [axes.get_title() for axes in figure.axes] == ["booth", "error", *names]


# ---- maps of many trajectories --------------------------------------------------------------------


def test_basins_that_are_drawn():
    options = {"resolution": (9, 9), "steps": 200, "lr": 0.01}
    figure = figures.basins("himmelblau", "SGD", resolution=9, steps=200)
    found = fastopt.study.basins(fastopt.SGD, "himmelblau", **options)
    drawn = figure.axes[0].collections[0].get_array().reshape(9, 9)
    np.testing.assert_array_equal(drawn, found.which)
    end = trace(fastopt.SGD, "himmelblau", (3.0, -3.0), 200, lr=0.01).points[-1]
    distances = np.linalg.norm(objectives.himmelblau.minima - end, axis=1)
    assert drawn[2, 6] == distances.argmin()  # of the start (3, -3)


def test_basins_where_no_minima_are_known():
    pytest.importorskip("sympy", reason="SymPy is not installed (extra: study)")
    text = "(x**2 - 4)**2 + y**2"
    figure = figures.basins(text, "SGD,Momentum(momentum=0.5)", resolution=8, steps=200)
    first, second = (axes.collections[0].get_array().reshape(8, 8) for axes in figure.axes)
    assert len(set(first[:, :4].ravel())) == len(set(first[:, 4:].ravel())) == 1
    assert first[0, 0] != first[0, -1]
    np.testing.assert_array_equal(first, second)  # the same minimum has the same colour


def test_rate_map_that_is_drawn():
    figure = figures.rate_map("quadratic", "Momentum", resolution=4, steps=50, rates=(0.01, 0.5))
    drawn = figure.axes[0].collections[0].get_array().reshape(4, 4)
    lowest = 1e-3 * objectives.quadratic.value(objectives.quadratic.start)
    for (row, column), count in np.ndenumerate(drawn.filled(np.inf)):
        lr, momentum = np.geomspace(0.01, 0.5, 4)[column], np.linspace(0, 0.995, 4)[row]
        values = trace(fastopt.Momentum, "quadratic", steps=50, lr=lr, momentum=momentum).values
        above = np.flatnonzero(~(values <= lowest))
        expected = above[-1] + 1 if above[-1] < 50 else np.inf
        assert count == expected, (lr, momentum)


def test_rate_map_keeps_the_other_beta():
    figure = figures.rate_map("quadratic", "Adam(betas=(0.9, 0.5))", resolution=3, steps=60)
    drawn = figure.axes[0].collections[0].get_array().reshape(3, 3)
    expected = fastopt.study.rate_map(
        fastopt.Adam, "quadratic", x=("lr", np.geomspace(1e-3, 1, 3)), y=(("betas", 0), np.linspace(0, 0.995, 3)),
        steps=60, betas=(0.9, 0.5),
    )  # fmt: skip
    np.testing.assert_array_equal(drawn.filled(np.inf), expected.steps)
