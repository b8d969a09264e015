"""How long a slider takes: from its event to the pixels. Printed with ``-s``, never asserted."""

from __future__ import annotations

import os
import statistics

import pytest
from tab import Tab

pytestmark = pytest.mark.browser

EIGHT = "&".join(
    f"run={name}"
    for name in ("Adam:lr=0.1", "SGD", "NAG", "Lion", "Momentum", "AdamW", "Rprop", "RAdam")
)
#: Sets a slider to values in turn; gives for each the milliseconds until its numbers were there, and until they were painted.
MOVE = """
const [name, values, done] = arguments;
const { page } = playground.models();
const slider = [...Bokeh.documents[0].all_models].findLast((m) => m.name === name);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
(async () => {
  const times = [];
  for (const value of values) {
    const answered = new Promise((resolve) => {
      const once = () => { page.properties.answer.change.disconnect(once); resolve(); };
      page.properties.answer.change.connect(once);
    });
    const start = performance.now();
    slider.value = value;
    await answered;
    const there = performance.now() - start;
    await painted();
    times.push([there, performance.now() - start]);
    await pause(250);
  }
  done(times);
})();
"""


@pytest.mark.parametrize(
    ("slider", "first", "step"), [("lr", -2, 0.02), ("noise", -0.9, 0.03), ("steps", 2.99, -0.01)]
)
def test_what_a_slider_takes(driver, address, pictures, slider, first, step):
    tab = Tab(driver, address, pictures)
    tab.open(f"{EIGHT}&objective=himmelblau&noise=0.1&steps=1000")
    driver.set_script_timeout(120)
    driver.execute_async_script(MOVE, slider, [first])
    times = driver.execute_async_script(MOVE, slider, [first + step * i for i in range(1, 16)])
    there, painted = zip(*times, strict=True)
    print(
        f"\n{slider}, 8 optimizers x 1,000 steps, load {os.getloadavg()[0]:.1f}: numbers there after "
        f"{statistics.median(there):.0f} ms (median of 15), painted after {statistics.median(painted):.0f} ms, "
        f"at most {max(painted):.0f} ms"
    )
    assert tab.errors() == []


def test_stale_places_of_a_slider_are_dropped(driver, address, pictures):
    tab = Tab(driver, address, pictures)
    tab.open(f"{EIGHT}&objective=himmelblau&steps=1000")
    before = tab.page("answer")
    tab.run(
        """const slider = [...Bokeh.documents[0].all_models].findLast((m) => m.name === "steps");
        for (let i = 0; i < 60; i++) slider.value = 3 - i / 100;"""
    )
    tab.settle()
    assert before < tab.page("answer") < before + 30
    assert tab.page("steps") == round(10**2.41)
    assert tab.errors() == []
