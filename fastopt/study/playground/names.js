// Names of widgets for those who do not see them: Bokeh's sliders, fields without a title, switches and small buttons have none.
"use strict";

const names = (() => {
  const done = new WeakSet(); // elements, since a widget may draw itself anew

  function slider(view, find) {
    const handle = find(".noUi-handle");
    if (!handle || done.has(handle)) return;
    done.add(handle);
    handle.setAttribute("aria-label", view.model.title);
    // the value, not the place: after noUiSlider's own text
    view._noUiSlider.on("update", (texts, which, places) => handle.setAttribute("aria-valuetext", view.pretty(places[0])));
  }

  const give = {
    Slider: slider,
    Checkbox: (view, find) => find("input")?.setAttribute("aria-label", view.model.label),
    TextInput: (view, find) => view.model.title || find("input")?.setAttribute("aria-label", view.model.name),
    Spinner: (view, find) => {
      find(".bk-spin-btn-up")?.setAttribute("aria-label", `${view.model.title}: next`);
      find(".bk-spin-btn-down")?.setAttribute("aria-label", `${view.model.title}: the one before`);
    },
    RadioButtonGroup: (view) => view.shadow_el.querySelectorAll("button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === view.model.active));
    }),
  };

  function all() {
    for (const model of Bokeh.documents[0].all_models) {
      const act = give[model.type];
      if (!act) continue;
      const view = Bokeh.index.find_one(model);
      if (view?.shadow_el) act(view, (css) => view.shadow_el.querySelector(css));
    }
  }

  let timer = 0;
  return { give: () => { clearTimeout(timer); timer = setTimeout(all, 100); } }; // when new widgets have been drawn
})();
