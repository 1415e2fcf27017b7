// The bar above the radiographs, and what keys do in a study.

import { LEVELS } from "./corrections.js";
import { h } from "./dom.js";
import { typing } from "./keys.js";
import { leaveOut, toggleEvaluable } from "./reasons.js";

const TOOLS = [
  ["window", "Window", "w"], ["pan", "Pan", "p"], ["magnify", "Magnify", "g"], ["measure", "Measure", "m"], ["add", "Add box", "a"],
];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function button(name, key, act, { pressed, disabled, title, style } = {}) {
  return h("button", {
    type: "button", class: style ?? null, title: title ?? null, disabled: Boolean(disabled), onclick: act,
    "aria-pressed": pressed === undefined ? null : String(pressed), "data-key": `tool ${name}`,
    "aria-keyshortcuts": key ? key.toUpperCase() : null,
  }, name, key && [" ", h("kbd", { "aria-hidden": "true" }, key.toUpperCase())]);
}

// Draws a part of the page anew; the focus stays on what bears the same data-key.
export function keepFocus(node, children) {
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

export function toolbar(page) {
  const { layers, history, worklist, uid } = page;
  const group = (name, ...buttons) => h("div", { class: "group", role: "group", "aria-label": name }, buttons);
  const { previous } = page;
  keepFocus(page.bar, [
    group("Worklist", h("a", { class: "button", href: "#/", "data-key": "tool list" }, "‹ List"),
      h("span", { class: "where" }, h("b", {}, page.row?.label ?? ""), h("small", {}, worklist.place(uid), " ",
        h("span", { class: `saved ${page.autosave.state}`, role: "status" }, page.autosave.text)))),
    group("Tool", TOOLS.map(([tool, name, key]) => button(name, key, () => page.use(tool), { pressed: page.tool === tool }))),
    group("Layers",
      button("Invert", "i", () => invert(page), { pressed: page.films.some((viewer) => viewer.inverted) }),
      button("Boxes", "b", () => page.toggle("boxes"), { pressed: layers.boxes }),
      !page.hidden && button("Outlines", "o", () => page.toggle("outlines"), { pressed: layers.outlines }),
      !page.hidden && button("Grad-CAM", "c", () => page.toggle("heat"), { pressed: layers.heat }),
      button("Fit", "f", () => page.films.forEach((viewer) => viewer.fit()))),
    previous.others.length > 0 && group("Earlier films",
      button("Earlier films", "v", () => previous.toggle(), { pressed: Boolean(previous.shown), title: "Films of another study of this patient beside these" }),
      previous.shown && button("Link zoom", "l", () => previous.link(), { pressed: previous.linked })),
    group("Names",
      button("Names up", "[", () => page.shift(-1, false), { title: "Shift all names of this view one level up" }),
      button("Names down", "]", () => page.shift(1, false), { title: "Shift all names of this view one level down" })),
    group("History",
      button("Undo", "", () => page.undo(), { disabled: !history.past.length, title: "Ctrl Z" }),
      button("Redo", "", () => page.redo(), { disabled: !history.future.length, title: "Ctrl Y" })),
    group("Reading",
      page.mode.reader_study && h("span", { class: "timer", role: "timer", "aria-label": "Time on this study" }, page.elapsed),
      button("Reviewed, next", "n", () => page.reviewed(), { style: "main" })),
  ]);
}

function invert(page) {
  const inverted = page.films.some((viewer) => viewer.inverted);
  for (const viewer of page.films) if (viewer.inverted === inverted) viewer.invert();
  page.render();
}

export function onKey(page, event) {
  if (typing(event) || document.querySelector("dialog[open]")) return;
  const bracket = event.getModifierState("AltGraph"); // where [ and ] are the third sign of a key
  if (event.altKey && !bracket) return;
  const act = !bracket && (event.ctrlKey || event.metaKey) ? withControl(page, event) : plain(page, event);
  if (!act) return;
  event.preventDefault();
  act();
}

function arrow(page, event, edges) {
  const [x, y] = ARROWS[event.key];
  const far = event.shiftKey ? 10 : 1;
  if (!page.selection || !page.layers.boxes) return null;
  return () => page.nudge(x * far, y * far, edges && (x ? "e" : "s"));
}

function withControl(page, event) {
  const key = event.key.toLowerCase();
  if (key === "z") return () => (event.shiftKey ? page.redo() : page.undo());
  if (key === "y") return () => page.redo();
  if (key === "s") return () => page.autosave.save();
  return event.key in ARROWS ? arrow(page, event, true) : null;
}

function plain(page, event) {
  const active = page.viewers[page.active];
  const general = {
    Escape: () => escape(page),
    n: () => page.reviewed(), j: () => page.step(1), k: () => page.step(-1), e: () => toggleEvaluable(page),
    v: page.previous.others.length ? () => page.previous.toggle() : null, l: page.previous.shown ? () => page.previous.link() : null,
  };
  const picture = active && {
    w: () => page.use("window"), p: () => page.use("pan"), g: () => page.use("magnify"), m: () => page.use("measure"),
    a: () => page.use("add"), i: () => invert(page), b: () => page.toggle("boxes"), o: page.hidden ? null : () => page.toggle("outlines"),
    c: page.hidden ? null : () => page.toggle("heat"), f: () => page.films.forEach((viewer) => viewer.fit()),
    r: () => { page.films.forEach((viewer) => viewer.resetWindow()); page.render(); },
    "+": () => active.zoom(1.25), "=": () => active.zoom(1.25), "-": () => active.zoom(0.8),
    "[": () => page.shift(-1, false), "]": () => page.shift(1, false), "{": () => page.shift(-1, true), "}": () => page.shift(1, true),
  };
  const { selection } = page;
  const chosen = selection && {
    ",": () => page.rename(LEVELS[LEVELS.indexOf(selection.level) - 1]), ".": () => page.rename(LEVELS[LEVELS.indexOf(selection.level) + 1]),
    Delete: () => page.remove(), Backspace: () => page.remove(), x: () => leaveOut(page, selection.view, selection.level),
    0: () => page.grade(selection.level, 0), 1: () => page.grade(selection.level, 1),
    2: () => page.grade(selection.level, 2), 3: () => page.grade(selection.level, 3),
  };
  if (event.key in ARROWS) return arrow(page, event, "");
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return general[key] ?? picture?.[key] ?? chosen?.[key] ?? null;
}

function escape(page) {
  if (page.tool !== "window") page.use("window");
  else if (page.selection) page.select(page.selection.view, null, false);
  else if (page.films.some((viewer) => viewer.measures.length)) {
    for (const viewer of page.films) viewer.measures = [];
    page.lastMeasure = null;
    page.render();
  } else page.go.back();
}
