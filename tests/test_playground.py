"""The playground without a browser: controls, links, numbers, exports, the server's doors."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastopt

pytest.importorskip("bokeh", reason="Bokeh is not installed (extra: playground)")
pytest.importorskip("sympy", reason="SymPy is not installed (extra: playground)")

from bokeh.document import Document
from bokeh.document.events import ColumnDataChangedEvent
from bokeh.events import Tap
from bokeh.models import Checkbox, Select, Slider, TextInput

from fastopt.study import objectives
from fastopt.study.playground import controls, courses, export, link, maps, server, widgets
from fastopt.study.playground.app import Playground
from fastopt.study.playground.look import LOOKS
from fastopt.study.playground.setting import MOST_RUNS, Run, Setting, first

NAMES = controls.names()


def arguments(query):
    """As a web server gives them."""
    found = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value.encode())
    return found


def shown(playground, setting=None, **changes):
    """Change the setting and draw, without a browser."""
    playground.change(**changes)
    playground._update()
    playground.page.received = playground.page.answer


@pytest.fixture
def playground():
    made = Playground(
        Document(), arguments("objective=quadratic&steps=20&run=SGD:lr=0.01&run=Adam")
    )
    made._update()
    made.page.received = made.page.answer
    return made


# ---- controls ---------------------------------------------------------------------------------------


def test_every_optimizer_of_vectors_is_there():
    assert set(fastopt.optimizers.__all__) - set(NAMES) == {"Muon"}


@pytest.mark.parametrize("name", NAMES)
def test_every_hyperparameter_has_a_control_and_every_place_of_a_slider_is_valid(name):
    values = controls.defaults(name)
    made = controls.controls(name)
    assert {c.name for c in made} == set(values)
    for c in made:
        assert c.of(values) == c.default
        if c.scale is None:
            continue
        s = c.scale
        assert s.start < s.end
        for place in (s.start, s.start + s.step, 0.5 * (s.start + s.end), s.end):
            controls.check(name, c.put(values, s.value(place)))
        if c.default:
            assert s.value(s.place(c.default)) == pytest.approx(c.default, rel=0.01)
        else:
            assert s.value(s.place(c.default)) == c.default


@pytest.mark.parametrize("name", ["Adam", "Momentum", "Adafactor", "Rprop"])
def test_widgets_are_made_from_controls(name):
    kinds = {bool: Checkbox, str: Select}
    made = widgets.panel(Run.of(name), lambda control, value: None)
    for control, widget in zip(controls.controls(name), made, strict=True):
        assert isinstance(widget, kinds.get(type(control.default), object))
        if control.scale is not None:
            assert widget.select_one({"type": Slider}).title == control.label
            assert widget.select_one({"type": TextInput}).value == widgets.text(control.default)


def test_a_number_that_is_refused_leaves_its_widgets_as_they_were():
    def refuse(control, value):
        raise ValueError(value)

    row = widgets.panel(Run.of("SGD", lr=0.01), refuse)[0]
    slider, field = row.select_one({"type": Slider}), row.select_one({"type": TextInput})
    for wrong in ("-1", "nan", "word", "1e999", "", "<b>"):
        field.value = wrong
        assert slider.value == pytest.approx(-2)
    slider.value = -1.0
    assert (slider.value, field.value) == (pytest.approx(-2), "0.01")


# ---- links ------------------------------------------------------------------------------------------


def moved(name):
    """A run with every number, switch and name away from its default."""
    values = controls.defaults(name)
    for c in controls.controls(name):
        if isinstance(c.default, bool):
            new = not c.default
        elif c.choices:
            new = next(v for v in c.choices if v != c.default)
        else:
            new = c.scale.value(0.4 * c.scale.start + 0.6 * c.scale.end)
        with contextlib.suppress(ValueError):  # values that do not go together
            values = controls.check(name, c.put(values, new))
    return Run.of(name, **values)


@pytest.mark.parametrize("name", NAMES)
def test_a_link_carries_every_hyperparameter(name):
    setting = dataclasses.replace(first(), runs=(moved(name), Run.of(name)), active=1)
    assert link.read(arguments(link.query(setting))) == (setting, [])


def test_a_link_carries_the_rest():
    setting = Setting(
        "sin(x)**2 + 2*y**2 & x", (-0.1, 1e-17), 77, 0.25, 123, (Run.of("SGD"),) * MOST_RUNS, 3, "rates", "dark"
    )  # fmt: skip
    query = link.query(setting)
    assert dict(parse_qsl(query))["objective"] == setting.objective
    setting = dataclasses.replace(setting, objective="sin(x)**2 + 2*y**2")
    assert link.read(arguments(link.query(setting))) == (setting, [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("objective=__import__('os')", "is no expression in x and y"),
        ("objective=" + "x" * 3000, "the expression has 3000 characters; expected 200 at most"),
        ("start=1,2,3", "start is '1,2,3'"),
        ("start=nan,1", "start is 'nan'"),
        ("start=1e300,0", "start is '1e300'"),
        ("steps=0", "steps is '0'"),
        ("steps=2.5", "steps is '2.5'; expected a whole number"),
        ("steps=99999999999", "expected a number in [1, 5000]"),
        ("noise=-1", "noise is '-1'"),
        ("seed=inf", "seed is 'inf'"),
        ("view=../../etc/passwd", "view is '../../etc/passwd'"),
        ("theme=x", "theme is 'x'"),
        ("active=3", "active is '3'; expected a number in [0, 2]"),
        ("run=Muon", "run is 'Muon'; expected the name of an optimizer"),
        ("run=__class__", "run is '__class__'"),
        ("run=Adam:params=1", "Adam: no hyperparameter 'params'"),
        ("run=Adam:lr=-1", "Adam: lr is -1.0"),
        ("run=Adam:lr=1e999", "Adam: lr is inf"),
        ("run=Adam:betas=0.9", "Adam: betas is (0.9,)"),
        ("run=Adam:betas=0.9;x", "Adam: betas is 'x'; expected a number"),
        ("run=Adam:amsgrad=1", "Adam: amsgrad is '1'; expected one of True, False"),
        ("run=Momentum:form=x", "Momentum: form is 'x'"),
        ("&".join(["run=SGD"] * 20), "run is there 20 times; the first 8 are taken"),
        ("steps=%FF%FE", "can't decode"),
    ],
)
def test_what_a_link_says_wrongly_is_told_and_left_out(query, said):
    setting, messages = link.read(
        arguments(query) if "%" not in query else {"steps": [b"\xff\xfe"]}
    )
    assert len(messages) == 1
    assert said in messages[0]
    if "run=SGD" not in query:
        assert setting == first()


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["start", "steps", "noise", "seed", "run", "active", "view", "theme", "x"]),
        st.lists(st.binary(max_size=30) | st.text(max_size=30).map(str.encode), max_size=3),
    )
)
def test_any_query_gives_a_setting(query):
    setting, messages = link.read(query)
    assert isinstance(setting, Setting)
    assert all(isinstance(message, str) for message in messages)
    assert link.read(arguments(link.query(setting))) == (setting, [])


# ---- numbers ----------------------------------------------------------------------------------------


def test_what_is_sent_is_what_step_gives(playground):
    w = objectives.quadratic.start.copy()
    opt = fastopt.Adam(w)
    path, slots = [w.copy()], [np.zeros(2)]
    for _ in range(20):
        opt.step(objectives.quadratic.gradient(w))
        path.append(w.copy())
        slots.append(opt.state[0]["exp_avg"].copy())
    shown(playground, active=1)
    data = playground.drawing.plots.courses.data
    assert (data["run1"][:, :2] == path).all()
    assert (data["slots"][:, :2] == slots).all()


def test_lines_are_thinned_with_both_ends():
    steps = courses.drawn_steps(5000)
    assert (len(steps), steps[0], steps[-1]) == (1000, 0, 5000)
    assert (courses.drawn_steps(999) == np.arange(1000)).all()
    assert list(courses.drawn_steps(1)) == [0, 1]


def test_a_slider_sends_the_columns_of_its_run_and_builds_nothing(playground):
    sent, plots = [], playground.drawing.plots
    plots.surface.tags = [plots.courses]
    for root in (*playground.sidebar.roots(), plots.surface, plots.errors, plots.slots):
        playground.document.add_root(root)
    playground.document.on_change(sent.append)
    models = set(playground.document.models)
    lr = controls.controls("SGD")[0]
    data = plots.courses.data
    before = data["run0"]
    playground.move(lr, 0.02)
    playground._update()
    (event,) = (
        e for e in sent if isinstance(e, ColumnDataChangedEvent) and e.model is plots.courses
    )
    assert set(playground.document.models) == models
    assert data["run0"][1, 0] != before[1, 0]
    assert set(event.cols) == {"run0", "slots"}


def test_diverging_runs_are_drawn_as_far_as_a_canvas_goes(playground):
    shown(playground, runs=(Run.of("SGD", lr=10.0), Run.of("Adam")), steps=400)
    data = playground.drawing.plots.courses.data
    x = data["run0"][:, 0]
    assert np.isnan(x[-1])
    assert np.isfinite(x[0])
    assert np.nanmax(np.abs(x)) <= courses.FAR * 8
    end = playground.drawing.plots.errors.y_range.end
    assert np.isfinite(end)
    assert end < 4


def test_maps(playground):
    shown(playground, view="basins", active=1, runs=(Run.of("SGD"), Run.of("Momentum", lr=0.05)))
    assert playground.drawing.plots.basins.data["image"][0].shape == (maps.COARSE, maps.COARSE)
    shown(playground, view="rates", steps=100)
    image = playground.drawing.plots.rates.data["image"][0]
    over = playground.drawing.axes
    assert (over.x.label, over.y.label) == ("lr", "momentum")
    assert np.isfinite(image).any()
    assert np.isnan(image).any()
    place = over.x.scale.place(0.05), over.y.scale.place(0.9)
    assert over.put(playground.setting.run, *place).changed == {"lr": 0.05}
    for far in (1e6, np.nan):  # far outside, where a user may have moved the map
        playground._tapped_map(Tap(None, x=far, y=0.5))
        assert playground.page.message
        assert playground.setting.run.changed == {"lr": 0.05}
    shown(playground, objective="saddle")
    assert "saddle has no minimum" in playground.page.message


# ---- what a user does -------------------------------------------------------------------------------


def test_a_hostile_expression_changes_nothing(playground):
    before = playground.setting, dict(playground.drawing.plots.courses.data)
    for text in (
        "__import__('os').system('x')",
        "x.__class__",
        "<script>",
        "lambda: 0",
        "x" * 500,
        "9**9**9**9",
    ):
        playground.sidebar.expression.value = text
        assert playground.page.message
        assert playground.setting is before[0]
        assert playground.sidebar.expression.value == text, "to be mended"
        playground.page.message = ""


def test_runs_are_added_and_removed(playground):
    for _ in range(MOST_RUNS - 2):
        playground.add(playground.setting.run)
    assert playground.setting.labels()[-1] == f"SGD {MOST_RUNS - 1}"
    with pytest.raises(ValueError, match="remove one before adding another"):
        playground.add(Run.of("SGD"))
    for _ in range(MOST_RUNS - 1):
        playground.remove()
    with pytest.raises(ValueError, match="cannot be removed"):
        playground.remove()


def test_stale_changes_are_dropped(playground):
    drawn = playground.page.answer
    lr = controls.controls("SGD")[0]
    for value in np.linspace(0.01, 0.05, 30):
        playground.move(lr, float(value))
    assert len(playground.document.session_callbacks) == 1
    playground._update()
    assert playground.page.answer == drawn + 1
    assert playground.drawing.setting.runs[0].changed == {"lr": 0.05}
    playground.move(lr, 0.06)  # the browser has not yet shown the last one
    assert playground.drawing.setting.runs[0].changed == {"lr": 0.05}


@pytest.mark.parametrize("request_", [{}, {"kind": "x"}, {"kind": "view", "value": "x"}, {"kind": "run", "value": "99"},
                                      {"kind": "theme", "value": "<"}, {"kind": "figure", "value": "exe"}])  # fmt: skip
def test_requests_that_no_button_makes(playground, request_):
    before = playground.setting
    playground.page.request = request_
    assert playground.setting == before


def test_every_theme_has_colours_for_all():
    for look in LOOKS.values():
        assert len(set(look.runs)) == MOST_RUNS
        assert len(set(look.slots)) == courses.MOST_SLOTS


# ---- exports ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["surface", "basins", "rates"])
def test_the_exported_program_gives_the_same_trajectories(view, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    setting = Setting(
        "quadratic", (-1.25, 0.5), 15, 0.5, 3, (Run.of("SGD", lr=0.01), Run.of("Adam", lr=0.1)), 1, view
    )  # fmt: skip
    monkeypatch.setattr(export, "EDGE", 12)
    names = {}
    exec(export.code(setting), names)
    for run, found in zip(setting.runs, names["trajectories"], strict=True):
        assert (found.points == courses.trajectory(setting, run).points).all()
    assert capsys.readouterr().out.startswith("SGD [")
    assert (tmp_path / "playground.png").read_bytes() == export.picture(setting, "png")
    assert export.picture(setting, "svg").startswith(b"<?xml")


def test_an_expression_stays_text_in_the_exported_program():
    setting = dataclasses.replace(first(), objective="x**2 + y**2'); print('out")
    first_line = next(
        line for line in export.code(setting).splitlines() if "objectives.get" in line
    )
    assert first_line == f"objective = study.objectives.get({setting.objective!r})"


# ---- the server -------------------------------------------------------------------------------------


def test_ports_that_browsers_refuse():
    for port in (80, 6000, 6667, 10080, 70000, -1):
        with pytest.raises(ValueError, match=f"port is {port}"):
            server.check_port(port)
    assert server.check_port(5006) == 5006


def test_a_port_that_is_taken_is_not_chosen(monkeypatch):
    with socket.socket() as taken:
        taken.bind((server.ADDRESS, 0))
        monkeypatch.setattr(server, "PORT", taken.getsockname()[1])
        assert server.free_port() not in {server.PORT, *server.REFUSED}


def test_the_command_refuses_such_a_port():
    testing = pytest.importorskip("typer.testing", reason="typer is not installed (extra: cli)")
    from fastopt.cli.app import app

    done = testing.CliRunner().invoke(app, ["playground", "--no-browser", "--port", "6000"])
    assert done.exit_code == 2
    assert "browsers refuse" in " ".join(done.output.split())


def test_the_page_has_what_its_script_asks_for():
    page = (server.HERE / "page.html").read_text()
    script = (server.HERE / "page.js").read_text()
    for part in script.split('$("')[1:]:
        assert f'id="{part.split(chr(34))[0]}"' in page


def test_urls_of_links_are_short():
    assert len(urlencode({"q": link.query(first())})) < 400
