"""The playground as a user meets it, in a real browser: ``make test-browser``."""

from __future__ import annotations

import http.client
import time
from urllib.parse import parse_qs

import numpy as np
import pytest
from tab import Tab

import fastopt

keys = pytest.importorskip(
    "selenium.webdriver.common.keys", reason="selenium is not installed"
).Keys

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(driver, address, pictures):
    made = Tab(driver, address, pictures)
    yield made
    assert made.errors() == []


def query(tab):
    """The setting that the address carries."""
    return parse_qs(tab.run("return location.search.slice(1)"))


def test_it_opens_and_shows_what_step_gives(tab):
    tab.open()
    tab.picture("light-1280")
    assert tab.message() == ""
    w = np.array([1.0, 1.5])
    opt = fastopt.Adam(w, lr=0.1)
    beale = fastopt.study.objectives.beale
    path = [w.copy()]
    for _ in range(300):
        opt.step(beale.gradient(w))
        path.append(w.copy())
    assert (np.stack([tab.column("x2"), tab.column("y2")], axis=1) == path).all()
    outside = tab.run(
        "return performance.getEntriesByType('resource').map(e => e.name).filter(u => !u.startsWith(location.origin))"
    )
    assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []


def test_an_optimizer_is_exchanged_added_and_removed(tab):
    tab.open()
    tab.set("optimizer", "value", "Yogi")
    assert tab.get("runs", "labels") == ["Momentum", "RMSprop", "Yogi"]
    tab.click_widget("duplicate")
    assert tab.get("runs", "labels") == ["Momentum", "RMSprop", "Yogi 1", "Yogi 2"]
    tab.click_widget("add")
    assert tab.get("runs", "labels")[-1] == "SGD"
    assert tab.get("lr", "title") == "lr"
    tab.picture("optimizers")
    for _ in range(5):
        tab.click_widget("remove")
    assert "cannot be removed" in tab.message()
    assert len(tab.get("runs", "labels")) == 1


def test_a_slider_moves_a_trajectory_by_mouse_and_by_keys(tab):
    tab.open("run=SGD:lr=0.01")
    before = tab.column("x0")
    handle = tab.inner("lr", ".noUi-handle")
    tab.drag(handle, -20)
    moved = tab.column("x0")
    assert moved != before
    lr = float(tab.get("lr value", "value"))
    assert lr < 0.01
    handle.send_keys(keys.ARROW_RIGHT)
    tab.settle()
    assert float(tab.get("lr value", "value")) > lr
    assert tab.column("x0") != moved


def test_a_value_is_typed_and_a_wrong_one_refused(tab):
    tab.open("run=Adam:lr=0.1")
    tab.type("lr value", "0.0375")
    tab.until(lambda: query(tab)["run"] == ["Adam:lr=0.0375"])
    assert tab.get("lr", "value") == pytest.approx(np.log10(0.0375))
    tab.type("lr value", "-1")
    tab.until(lambda: "lr is -1.0; expected a finite number >= 0" in tab.message())
    tab.until(lambda: tab.get("lr value", "value") == "0.0375", seconds=10)  # it comes after


def test_a_click_sets_the_start(tab):
    tab.open()
    tab.click_plot("surface", 0.25, 0.25)
    assert query(tab)["start"] != ["1.0,1.5"]
    x, y = map(float, query(tab)["start"][0].split(","))
    assert (x, y) == pytest.approx((-2.25, -2.25), abs=0.2)
    assert (tab.column("x0")[0], tab.column("y0")[0]) == (x, y)
    assert float(tab.get("start x", "value")) == x


def test_an_expression_is_typed(tab):
    tab.open("run=Adam:lr=0.1")
    tab.type("expression", "sin(3*x) + x**2/4 + y**2")
    tab.until(lambda: query(tab)["objective"] == ["sin(3*x) + x**2/4 + y**2"])
    assert tab.message() == ""
    assert "sin(3*x)" in tab.page("formula")
    tab.picture("expression")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch broken')",
        "x.__class__",
        "<img src=x onerror=alert(1)>",
        "$$x$$",
    ],
)
def test_a_hostile_expression_is_told_and_changes_nothing(tab, text):
    tab.open("run=Adam:lr=0.1")
    before = tab.column("x0"), query(tab)
    tab.type("expression", text)
    tab.until(lambda: "is no expression in x and y" in tab.message())
    tab.settle()
    assert (tab.column("x0"), query(tab)) == before
    assert tab.run("return document.querySelectorAll('img').length") == 0
    if "import" in text:
        tab.picture("hostile")


def test_a_link_carries_the_whole_setting(tab):
    shared = (
        "objective=himmelblau&start=-1.0,2.0&steps=150&noise=1.5&seed=7&run=Lion:lr=0.05,betas=0.8;0.95"
        "&run=NAG:lr=0.003&run=Lion&active=1&view=basins&theme=dark"
    )
    tab.open(shared)
    tab.picture("shared-dark")
    assert tab.message() == ""
    assert query(tab) == parse_qs(shared)
    assert tab.get("runs", "labels") == ["Lion 1", "NAG", "Lion 2"]
    assert tab.get("momentum value", "value") == "0.9"
    assert tab.run("return document.documentElement.dataset.theme") == "dark"


def test_a_hostile_link_gives_defaults_and_messages(tab):
    tab.open("objective=%3Cscript%3E&steps=1e9&run=Adam:lr=nan&view=x&start=1&theme=%22&active=9")
    tab.picture("hostile-link")
    said = tab.message()
    for part in ("is no expression", "steps is '1e9'", "lr is nan", "view is 'x'", "start is '1'"):
        assert part in said
    assert query(tab)["objective"] == ["beale"]


def test_views_are_switched_and_a_map_is_clicked(tab):
    tab.open("objective=himmelblau&run=Momentum:lr=0.01&steps=200")
    tab.click("[data-view=basins]")
    tab.wait(
        "return Bokeh.documents[0].get_model_by_name('surface').renderers.some(r => r.data_source.data.image?.[0]?.length === 320 * 320)"
    )
    tab.picture("basins")
    tab.click("[data-view=rates]")
    tab.until(lambda: tab.page("view") == "rates")
    tab.settle()
    tab.picture("rates")
    tab.click_plot("rates", 0.3, 0.8)
    tab.until(lambda: tab.get("lr value", "value") != "0.01")
    tab.run("document.activeElement.blur()")
    tab.press("v")
    tab.until(lambda: tab.page("view") == "surface")


def test_it_plays_and_pauses(tab):
    tab.open()
    shown = "return playground.models().shown[0].data.step.filter(Number.isFinite).length"
    assert tab.run(shown) == 301
    tab.run("document.getElementById('speed').value = '0.25'")
    tab.press(" ")
    tab.wait(f"{shown} > 20")
    tab.press(" ")
    paused = tab.run(shown)
    assert 20 < paused < 301
    tab.picture("paused")
    time.sleep(0.3)
    assert tab.run(shown) == paused
    tab.press(".")
    assert tab.run(shown) == paused + 1
    tab.run("const f = document.getElementById('frame'); f.value = 100; f.oninput()")
    assert tab.run(shown) == 101


def test_noise_and_seed(tab):
    tab.open("run=SGD:lr=0.01")
    clean = tab.column("x0")
    tab.set("noisy", "active", True)
    noisy = tab.column("x0")
    assert noisy != clean
    tab.set("seed", "value", 5)
    assert tab.column("x0") not in (clean, noisy)
    tab.set("noisy", "active", False)
    assert tab.column("x0") == clean


def test_the_legend_hides_a_line_everywhere(tab):
    tab.open()
    tab.press("1")
    tab.press("h")
    assert [tab.get(f"{name}0", "visible") for name in ("path", "error")] == [False, False]
    assert tab.get("path1", "visible")
    tab.press("h")
    tab.click_plot("surface", 0.05, 0.97)  # the first entry
    tab.until(lambda: not tab.get("error0", "visible"))
    tab.press("h")
    assert tab.get("error0", "visible")


def test_a_link_is_copied_twice(tab):
    tab.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": tab.address},
    )
    tab.open("run=SGD:lr=0.01")
    label = "return document.getElementById('copy-link').textContent"
    for _ in range(2):
        tab.driver.find_element("css selector", "#copy-link").click()
        tab.until(lambda: tab.run(label) == "Copied")
    tab.until(lambda: tab.run(label) == "Copy link", seconds=10)


def test_exports(tab):
    tab.open()
    tab.click("#save-png")
    assert tab.download("fastopt-playground.png")[:4] == b"\x89PNG"
    tab.click("#save-svg")
    assert b"<svg" in tab.download("fastopt-playground.svg")
    tab.click("#show-code")
    tab.picture("code")
    code = tab.run("return document.querySelector('#code pre').textContent")
    tab.click("#save-code")
    assert tab.download("playground.py").decode() == code
    assert "fastopt.RMSprop, {'lr': 0.03}" in code
    tab.click("#code .close")
    tab.press("c")
    tab.wait("return document.getElementById('code').open")


def test_light_and_dark_and_wide(tab):
    tab.open("objective=hill&theme=light", size=(1600, 1000))
    tab.picture("light-1600")
    tab.press("d")  # answered by the server
    tab.wait("return document.documentElement.dataset.theme === 'dark'")
    tab.until(lambda: query(tab)["theme"] == ["dark"])
    tab.picture("dark-1600")
    tab.press("?")
    tab.picture("keys")
    tab.resize(600, 900)
    tab.run("document.querySelector('#keys').close()")
    tab.settle()
    tab.picture("narrow")


CONTROLS = """
const found = [];
(function walk(root) {
  for (const e of root.querySelectorAll("*")) {
    if (e.shadowRoot) walk(e.shadowRoot);
    if (!/^(INPUT|SELECT|BUTTON)$/.test(e.tagName) && e.getAttribute("role") !== "slider") continue;
    found.push([e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.textContent, e.getAttribute("aria-valuetext")]);
  }
})(document);
"""


def test_every_control_has_a_name_and_sliders_say_values(tab):
    tab.open("run=Adam:lr=0.02&run=Prodigy&active=0&noise=0.2")
    tab.wait(f"{CONTROLS} return found.length > 40 && found.every(([name]) => name)")
    named = {
        name: value for name, value in tab.run(f"{CONTROLS} return found") if value is not None
    }
    assert named["lr"] == "0.02"
    assert named["betas[1]"] == "0.999"
    assert (named["weight_decay"], named["Scale"]) == ("0", "0.2")
    handle = tab.inner("lr", ".noUi-handle")
    handle.send_keys(keys.ARROW_RIGHT)
    tab.settle()
    assert handle.get_attribute("aria-valuetext") == tab.get("lr value", "value") != "0.02"
    tab.press("2")
    tab.wait(
        f"{CONTROLS} return found.some(([name]) => name === 'beta3') && found.every(([name]) => name)"
    )
    assert ["beta3", "None"] in tab.run(f"{CONTROLS} return found")


def test_what_is_no_expression_can_be_mended(tab):
    tab.open("run=Adam:lr=0.1")
    tab.type("expression", "sin(x + y**2")
    tab.until(lambda: "was never closed" in tab.message())
    tab.settle()
    field = tab.inner("expression", "input")
    assert field.get_attribute("value") == "sin(x + y**2"
    field.send_keys(keys.END, ")", keys.ENTER)
    tab.until(lambda: query(tab)["objective"] == ["sin(x + y**2)"])
    assert tab.message() == ""


def test_maps_of_an_expression(tab):
    tab.open("objective=sin(3*x)%2Bx**2/4%2By**2&start=-3.0,2.0&run=Momentum:lr=0.01&view=basins")
    marks = "return [...Bokeh.documents[0].get_model_by_name('surface').renderers].find(r => r.glyph.marker?.value === 'star').data_source.data.x.length"
    tab.wait(f"{marks} === 4")
    tab.picture("basins-of-expression")
    tab.click("[data-view=rates]")
    tab.until(lambda: tab.page("view") == "rates")
    tab.settle()
    assert tab.message() == ""


def test_other_pages_may_not_talk_to_it(address):
    where = address.removeprefix("http://").rstrip("/")
    for origin, status in ((f"http://{where}", 101), ("http://example.org", 403), ("null", 403)):
        connection = http.client.HTTPConnection(where, timeout=20)
        connection.request(
            "GET", "/ws",
            headers={
                "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Origin": origin,
                "Sec-WebSocket-Protocol": "bokeh",
            },
        )  # fmt: skip
        assert connection.getresponse().status == status
        connection.close()
