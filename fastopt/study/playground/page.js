// The browser's part: cuts off what the animation has not reached, plays, keys, links and files. It asks the server by
// `page.request`, and tells it by `page.received` what is on the screen.
"use strict";

const playground = (() => {
  let page, courses, shown, kept, heads, renderers, panel, points;
  let frame = Infinity; // the last step that is shown; Infinity: all, however many there are
  let slots; // the names of the slots' lines
  let playing = 0, last = 0, asked = 0, linkTimer = 0, savedCode = "";
  const $ = (id) => document.getElementById(id);
  const quiet = { sync: false, check_eq: false }; // the server has these numbers already
  const hints = {
    surface: "Click to set the start",
    basins: "Where each start ends; grey: at no minimum",
    rates: "Steps it takes; click to take values",
  };

  const steps = () => page.steps;
  const reached = () => Math.min(frame, steps());

  function count() { // how many of the drawn points the animation has reached
    const at = courses.data.step;
    let n = at.length;
    while (n > 1 && at[n - 1] > reached()) n--;
    return n;
  }

  const before = new Map(); // what each source was cut from, and where

  function fill(source, n, table, names) { // the columns of a table of `courses`, and the steps, by these names
    const at = courses.data.step, from = [n, at, table];
    if (before.get(source)?.every((part, i) => part === from[i])) return; // nothing to paint anew
    before.set(source, from);
    const data = {}, width = table.length / at.length;
    const column = (name, array, offset, stride) => {
      // always of one length: where it changes, Bokeh draws the legends anew, for each line
      const kept = data[name] = new Float64Array(points).fill(NaN);
      if (offset < stride) for (let i = 0; i < n; i++) kept[i] = array[i * stride + offset];
    };
    column("step", at, 0, 1);
    names.forEach((name, k) => column(name, table, k, width));
    source.setv({ data }, quiet);
  }

  function cut() {
    const all = courses.data, n = count();
    if (!n) return; // nothing has arrived yet
    const x = [], y = [], color = [];
    renderers.forEach((path, i) => {
      const run = all["run" + i];
      fill(shown[i], n, run, ["x", "y", "e"]);
      if (!path.visible) return;
      x.push(run[3 * (n - 1)]);
      y.push(run[3 * (n - 1) + 1]);
      color.push(path.glyph.line_color.value ?? path.glyph.line_color);
    });
    fill(kept, n, all.slots, slots);
    heads.setv({ data: { x, y, color } }, quiet);
    $("frame").max = steps();
    $("frame").value = reached();
    $("step").value = `${Math.floor(reached())} / ${steps()}`;
  }

  function drawn() { // the server has sent something new
    cut();
    page.received = page.answer;
  }

  function ask(kind, value = "") {
    page.request = { kind, value: String(value), number: String(++asked) };
  }

  // ---- animation

  function play(on) {
    if (on && reached() >= steps()) frame = 0;
    playing = on ? requestAnimationFrame(advance) : (cancelAnimationFrame(playing), 0);
    last = performance.now();
    $("play").setAttribute("aria-pressed", String(Boolean(on)));
    $("play").setAttribute("aria-label", on ? "Pause" : "Play");
  }

  function advance(now) {
    frame = reached() + (now - last) / 8000 * steps() * Number($("speed").value); // a whole run takes 8 seconds
    last = now;
    const over = frame >= steps();
    if (over) frame = Infinity;
    cut();
    if (over) play(false); else playing = requestAnimationFrame(advance);
  }

  function go(step) {
    play(false);
    frame = step >= steps() ? Infinity : Math.max(0, step);
    cut();
  }

  // ---- links, files, themes

  const link = () => `${location.origin}${location.pathname}?${page.query}`;

  async function copy(text, button) {
    const label = button.dataset.label ??= button.textContent; // not what a press before has put there
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // where the clipboard is closed to pages
      prompt("Copy:", text);
    }
    setTimeout(() => { button.textContent = label; }, 1200);
  }

  function save(name, blob) {
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(blob);
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
  }

  function saveFile() {
    const { name, type, content } = page.file;
    save(name, new Blob([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], { type }));
  }

  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => page.theme === "dark" || (page.theme === "auto" && system.matches);

  function dress() {
    const theme = dark() ? "dark" : "light";
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    $("theme").setAttribute("aria-pressed", String(dark()));
    ask("dark", dark() ? "yes" : "no");
  }

  // ---- what the page shows of the setting

  function message() {
    $("message").hidden = !page.message;
    $("message").firstElementChild.textContent = page.message;
  }

  function view() {
    for (const button of $("views").children) {
      const on = button.dataset.view === page.view;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    $("plot-surface").hidden = page.view === "rates";
    $("plot-rates").hidden = page.view !== "rates";
    $("hint").textContent = hints[page.view];
  }

  function turn(step) {
    const all = Object.keys(hints), next = all[(all.indexOf(page.view) + step + all.length) % all.length];
    ask("view", next);
    return next;
  }

  function address() { // browsers refuse to change it many times a second
    clearTimeout(linkTimer);
    linkTimer = setTimeout(() => history.replaceState(null, "", link()), 300);
  }

  function code() {
    if (!page.code) return;
    $("code").querySelector("pre").textContent = savedCode = page.code;
    if (!$("code").open) $("code").showModal();
  }

  function hide() {
    const path = renderers[page.active];
    path.visible = !path.visible;
  }

  const keys = {
    " ": () => play(!playing),
    ",": () => go(Math.ceil(reached()) - 1),
    ".": () => go(Math.floor(reached()) + 1),
    v: () => turn(1),
    h: hide,
    l: () => copy(link(), $("copy-link")),
    c: () => ask("code"),
    d: () => ask("theme", dark() ? "light" : "dark"),
    "?": () => $("keys").showModal(),
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.composedPath()[0]; // a field inside a widget's shadow
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "range" && target.type !== "checkbox") return;
    if (event.key === " " && /^(BUTTON|INPUT)$/.test(target.tagName)) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) act();
    else if (/^[1-8]$/.test(event.key)) ask("run", Number(event.key) - 1);
    else return;
    event.preventDefault();
  }

  function start(models) {
    ({ page, courses, shown, kept, heads, renderers, panel, points } = models);
    slots = Object.keys(kept.data).filter((name) => name !== "step");
    const on = (name, act) => { page.properties[name].change.connect(act); act(); };
    page.properties.answer.change.connect(drawn);
    if (page.answer) drawn();
    on("message", message);
    on("view", view);
    on("theme", dress);
    on("busy", () => { $("busy").hidden = !page.busy; });
    on("query", address);
    on("formula", () => { $("formula").textContent = `f(x, y) = ${page.formula}`; });
    on("chosen", () => { $("slots-of").textContent = page.chosen; });
    for (const name of ["chosen", "active"]) on(name, names.give);
    panel.properties.children.change.connect(names.give);
    page.properties.code.change.connect(code);
    page.properties.file.change.connect(saveFile);
    system.addEventListener("change", dress);
    for (const path of renderers) path.properties.visible.change.connect(cut);
    for (const path of renderers) path.glyph.properties.line_color.change.connect(cut);

    $("play").onclick = () => play(!playing);
    $("frame").oninput = () => go(Number($("frame").value));
    $("copy-link").onclick = () => copy(link(), $("copy-link"));
    $("show-code").onclick = () => ask("code");
    $("save-png").onclick = () => ask("figure", "png");
    $("save-svg").onclick = () => ask("figure", "svg");
    $("theme").onclick = keys.d;
    $("help").onclick = keys["?"];
    $("copy-code").onclick = () => copy(savedCode, $("copy-code"));
    $("save-code").onclick = () => save("playground.py", new Blob([savedCode], { type: "text/x-python" }));
    $("message").lastElementChild.onclick = () => { page.message = ""; };
    for (const button of document.querySelectorAll("dialog .close")) button.onclick = () => button.closest("dialog").close();
    for (const button of $("views").children) button.onclick = () => ask("view", button.dataset.view);
    $("views").onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) $("views").querySelector(`[data-view="${turn(step)}"]`).focus();
    };
    document.addEventListener("keydown", pressed);
    document.documentElement.dataset.ready = "yes";
  }

  return { start, models: () => ({ page, courses, shown, kept }) };
})();
