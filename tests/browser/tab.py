"""What a user does in a tab, and what can be seen there."""

from __future__ import annotations

import time

# the last one: widgets that were replaced stay for a while
MODEL = "[...Bokeh.documents[0].all_models].findLast(m => m.name === arguments[0])"
PAGE = "playground.models().page"


class Tab:
    """A playground in the browser."""

    def __init__(self, driver, address, pictures):
        self.driver, self.address, self.pictures = driver, address, pictures

    def open(self, query="", size=(1280, 800)):
        """Load the page with a query and wait until it has drawn; what was logged before is dropped."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.resize(*size)
        self.driver.get(f"{self.address}?{query}")
        self.wait(f"return document.documentElement.dataset.ready === 'yes' && {PAGE}.answer > 0")
        self.settle()
        return self

    def resize(self, width, height):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def until(self, condition, seconds=120):
        """Until a condition is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (
                f"not within {seconds} s; {self.message()} {self.errors()}"
            )
            time.sleep(0.05)

    def type(self, model, text):
        """Type into a field, in place of what is there, and press enter."""
        from selenium.webdriver.common.keys import Keys

        self.inner(model, "input").send_keys(Keys.CONTROL + "a", Keys.NULL, text, Keys.ENTER)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, *arguments, seconds=120):
        """Until the script returns something true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script, *arguments)):
            assert time.monotonic() < end, (
                f"not within {seconds} s: {script} {arguments}; {self.errors()}"
            )
            time.sleep(0.05)
        return found

    def settle(self):
        """Until nothing has changed for a while: all that was asked for is drawn."""
        still = f"""const p = {PAGE};
        return [p.busy || p.answer !== p.received, p.answer, p.message, location.search]"""
        before, since = None, time.monotonic()
        while time.monotonic() - since < 1.0:
            now = self.run(still)
            if now != before or now[0]:
                before, since = now, time.monotonic()
            time.sleep(0.05)

    def page(self, name):
        return self.run(f"return {PAGE}[arguments[0]]", name)

    def get(self, model, name):
        return self.run(f"return {MODEL}[arguments[1]]", model, name)

    def set(self, model, name, value):
        """Set a widget as its own code does when a user does it."""
        self.run(f"{MODEL}[arguments[1]] = arguments[2]", model, name, value)
        self.settle()

    def click(self, css):
        self.driver.find_element("css selector", css).click()
        self.settle()

    def click_widget(self, model):
        """Press a button of Bokeh's."""
        self.inner(model, "button").click()
        self.settle()

    def click_plot(self, model, across, up):
        """Click at a part of a plot's width and height, from the left and from the bottom."""
        from selenium.webdriver import ActionChains

        x, y = self.run(
            f"""const frame = Bokeh.index.find_one({MODEL}).frame.bbox;
            const box = Bokeh.index.find_one({MODEL}).el.getBoundingClientRect();
            return [box.x + frame.x + arguments[1] * frame.width, box.y + frame.y + (1 - arguments[2]) * frame.height]""",
            model, across, up,
        )  # fmt: skip
        act = ActionChains(self.driver)
        act.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        act.w3c_actions.pointer_action.click()
        act.perform()
        self.settle()

    def drag(self, element, pixels):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).drag_and_drop_by_offset(element, pixels, 0).perform()
        self.settle()

    def press(self, key):
        """A key, wherever the focus is but in a field."""
        self.driver.find_element("css selector", "body").send_keys(key)
        self.settle()

    def download(self, name):
        """The bytes of a file that the page has saved; it is removed."""
        file = self.driver.downloads / name
        end = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < end, f"{name} is not there: {self.message()}"
            time.sleep(0.05)
        found = file.read_bytes()
        file.unlink()
        return found

    def inner(self, model, css):
        """An element of a widget, inside its shadow."""
        return self.wait(
            f"return Bokeh.index.find_one({MODEL})?.shadow_el.querySelector(arguments[1])",
            model,
            css,
        )

    def column(self, name):
        """The numbers of a column of the courses: x, y or e of a run, by name and number."""
        k = "xye".index(name[0])
        table = "playground.models().courses.data['run' + arguments[0]]"
        return self.run(f"return Array.from({table}).filter((_, i) => i % 3 == {k})", name[1:])

    def message(self):
        return self.run(
            "const m = document.getElementById('message'); return m.hidden ? '' : m.innerText"
        )

    def picture(self, name):
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))

    def errors(self):
        """What the console calls severe."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]
