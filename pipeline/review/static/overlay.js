// Boxes with names, outlines and measurements over one radiograph, in pixels of the screen.

import { LEVELS } from "./corrections.js";
import { s } from "./dom.js";

const HANDLES = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };
const LABEL_GAP = 12;

export class Overlay {
  constructor(viewer, when) {
    this.viewer = viewer;
    this.svg = s("svg", { class: "overlay", role: "group", "aria-label": `Boxes of the ${viewer.view} view${when && `, ${when}`}` });
    this.svg.addEventListener("focusin", (event) => {
      const level = event.target.closest("[data-level]")?.dataset.level;
      if (level && !viewer.drag && !viewer.host.isSelected(viewer.view, level)) viewer.host.select(viewer.view, level, false);
    });
  }

  draw() {
    const { viewer } = this;
    const { host, view } = viewer;
    const focused = this.svg.contains(document.activeElement);
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const { boxes, left_out: leftOut } = host.state.views[view];
    const parts = [];
    if (host.layers.outlines) parts.push(...this.outlines());
    if (host.layers.boxes) {
      const { draft } = viewer;
      const drawn = boxes.map((box) => (draft?.level === box.level ? draft : box));
      const selected = (box) => host.isSelected(view, box.level);
      for (const box of drawn) parts.push(this.box(box, leftOut[box.level] ?? null, selected(box), rem));
      parts.push(...drawn.filter(selected).map((box) => this.handles(box, rem)));
    }
    if (viewer.draft?.kind === "add") parts.push(this.rect(viewer.draft, "new"));
    const measures = viewer.draft?.kind === "measure" ? [...viewer.measures, viewer.draft] : viewer.measures;
    parts.push(...measures.map((line) => this.measure(line, rem)));
    this.svg.replaceChildren(...parts);
    const chosen = host.selection?.view === view ? host.selection.level : null;
    if (chosen && (focused || this.wantsFocus)) this.focus(chosen);
    this.wantsFocus = false;
  }

  focus(level) {
    this.svg.querySelector(`[data-level="${CSS.escape(level)}"]`)?.focus({ preventScroll: true });
  }

  x(value) {
    return value * this.viewer.scale + this.viewer.left;
  }

  y(value) {
    return value * this.viewer.scale + this.viewer.top;
  }

  rect(box, name, more = {}) {
    const [x0, x1] = [box.x0, box.x1].map((v) => this.x(v)).sort((a, b) => a - b);
    const [y0, y1] = [box.y0, box.y1].map((v) => this.y(v)).sort((a, b) => a - b);
    return s("rect", { class: name, x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 2, ...more });
  }

  box(box, reason, selected, rem) {
    const { view } = this.viewer;
    const size = `${this.viewer.length(box.x1 - box.x0)} by ${this.viewer.length(box.y1 - box.y0)}`;
    const group = s("g", {
      class: `box level-${LEVELS.includes(box.level) ? box.level : "other"}${selected ? " selected" : ""}${reason === null ? "" : " left-out"}`,
      ...(this.viewer.host.readOnly ? { role: "img" } : { "data-level": box.level, role: "button", tabindex: 0, "aria-pressed": String(selected) }),
      "aria-label": `${box.level}, ${view}, ${size}${reason === null ? "" : `, left out: ${reason}`}`,
    });
    group.append(
      this.rect(box, "inside"), this.rect(box, "shade"), this.rect(box, "line"),
      this.rect(box, "grip", { "data-grip": 1 }), this.label(box, reason, rem),
    );
    return group;
  }

  label(box, reason, rem) {
    const text = reason === null ? box.level : `${box.level} left out`;
    const width = (text.length * 0.6 + 0.8) * rem;
    const height = 1.5 * rem;
    let x = this.x(box.x0) - width - LABEL_GAP;
    if (x < 2) x = this.x(box.x1) + LABEL_GAP;
    if (x + width > this.viewer.stage.clientWidth) x = Math.max(2, this.x(box.x0) + 4);
    const y = this.y((box.y0 + box.y1) / 2) - height / 2;
    return s("g", { class: "name" },
      s("rect", { x, y, width, height, rx: height / 4, "data-grip": 1 }),
      s("text", { x: x + width / 2, y: y + height / 2, "data-grip": 1 }, text));
  }

  handles(box, rem) {
    const circles = Object.entries(HANDLES).map(([edges, [fx, fy]]) =>
      s("circle", {
        class: `handle ${edges}`, "data-edges": edges, r: 0.38 * rem,
        cx: this.x(box.x0 + fx * (box.x1 - box.x0)), cy: this.y(box.y0 + fy * (box.y1 - box.y0)),
      }));
    return s("g", { "data-level": box.level, "aria-hidden": "true" }, circles);
  }

  outlines() {
    return Object.entries(this.viewer.host.outlines(this.viewer.view)).map(([level, points]) => {
      const drawn = points.map(([x, y]) => `${this.x(x)},${this.y(y)}`).join(" ");
      return s("g", { class: `outline level-${LEVELS.includes(level) ? level : "other"}` },
        s("polygon", { class: "shade", points: drawn }), s("polygon", { class: "line", points: drawn }));
    });
  }

  measure(line, rem) {
    const [x0, y0, x1, y1] = [this.x(line.x0), this.y(line.y0), this.x(line.x1), this.y(line.y1)];
    const text = this.viewer.length(Math.hypot(line.x1 - line.x0, line.y1 - line.y0));
    const width = (text.length * 0.55 + 0.8) * rem;
    return s("g", { class: "measure" },
      s("line", { x1: x0, y1: y0, x2: x1, y2: y1 }),
      s("circle", { cx: x0, cy: y0, r: 4 }), s("circle", { cx: x1, cy: y1, r: 4 }),
      s("rect", { x: x1 + 8, y: y1 - 0.75 * rem, width, height: 1.5 * rem, rx: 4 }),
      s("text", { x: x1 + 8 + width / 2, y: y1 }, text));
  }
}
