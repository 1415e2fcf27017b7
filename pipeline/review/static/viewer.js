// One radiograph: 16-bit greys to the screen with window and level, zoom, pan, magnifier and Grad-CAM layer.

import * as api from "./api.js";
import { h, say } from "./dom.js";
import { Overlay } from "./overlay.js";
import { applyWindow } from "./window.js";

const LOUPE_ZOOM = 2.5;
const CLICK_PX = 4;
const SCALES = [0.05, 40];
const LEAST_WINDOW = 64;

export class Viewer {
  // `host` answers selection, tool, layers and state, and is told of choices and changed boxes.
  constructor(uid, view, shown, host, when = "") {
    Object.assign(this, { uid, view, shown, host });
    this.canvas = h("canvas", { class: "image", "aria-hidden": "true" });
    this.loupe = h("canvas", { class: "loupe", "aria-hidden": "true", hidden: true });
    this.overlay = new Overlay(this, when);
    this.stage = h("div", { class: "stage" }, this.canvas, this.overlay.svg, this.loupe);
    this.reading = h("span", { class: "reading" });
    this.note = h("span", { class: "note", role: "status" });
    this.node = h("section", { class: "pane", "aria-label": `${view} radiograph${when && `, ${when}`}` },
      h("h2", { class: "pane-title" }, view === "AP" ? "AP" : "Lateral", " ", when && h("b", {}, when), " ", this.note, " ", this.reading), this.stage);
    this.raw = document.createElement("canvas");
    this.greys = null;
    this.drag = null;
    this.draft = null;
    this.measures = [];
    this.fitted = true;
    this.scale = 1;
    this.left = this.top = 0;
    this.resetWindow();
    this.listen();
  }

  async load() {
    const source = await api.pixels(this.uid, this.view);
    if (this.gone) return;
    this.take(source);
    this.node.dataset.ready = "true";
  }

  take({ rows, columns, greys }) {
    this.greys = greys;
    this.raw.width = columns;
    this.raw.height = rows;
    this.cells = this.raw.getContext("2d").createImageData(columns, rows);
    this.windowed = null;
    if (this.fitted) this.fit();
    this.redraw();
    this.sharpen();
  }

  resetWindow() {
    const { low = 0, high = 65535 } = this.shown;
    this.centre = (low + high) / 2;
    this.width = Math.max(high - low, LEAST_WINDOW);
    this.inverted = false;
    this.redraw();
  }

  invert() {
    this.inverted = !this.inverted;
    this.redraw();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const { rows, columns } = this.shown;
    if (!width || !height) return;
    this.scale = this.fitting;
    this.left = (width - columns * this.scale) / 2;
    this.top = (height - rows * this.scale) / 2;
    this.fitted = true;
    this.redraw();
  }

  get fitting() {
    return 0.98 * Math.min(this.stage.clientWidth / this.shown.columns, this.stage.clientHeight / this.shown.rows);
  }

  // Which part of the image is shown, as fractions of its sides, and how much larger than all of it.
  get place() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    return {
      x: (width / 2 - this.left) / (this.scale * this.shown.columns), y: (height / 2 - this.top) / (this.scale * this.shown.rows),
      larger: this.scale / this.fitting,
    };
  }

  set place({ x, y, larger }) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    this.scale = larger * this.fitting;
    this.left = width / 2 - x * this.scale * this.shown.columns;
    this.top = height / 2 - y * this.scale * this.shown.rows;
    this.fitted = larger === 1;
    this.redraw();
    this.sharpen();
  }

  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.min(Math.max(this.scale * factor, SCALES[0]), SCALES[1]);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.redraw();
    this.sharpen();
    this.host.viewed(this);
  }

  // All pixels, once the screen shows more of them than came first.
  async sharpen(larger = 1) {
    if (this.sharp || !this.greys || this.raw.width >= this.shown.columns) return;
    if (this.scale * larger * devicePixelRatio <= this.raw.width / this.shown.columns) return;
    this.sharp = true;
    try {
      const source = await api.fullPixels(this.uid, this.view);
      if (!this.gone) this.take(source);
    } catch (error) {
      this.sharp = false;
      say(error.message, true);
    }
  }

  redraw() {
    if (this.waiting || this.gone) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.draw();
    });
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const ratio = devicePixelRatio;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const screen = this.canvas.getContext("2d");
    screen.setTransform(1, 0, 0, 1, 0, 0);
    screen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.greys) {
      this.applyWindow();
      screen.setTransform(this.scale * ratio, 0, 0, this.scale * ratio, this.left * ratio, this.top * ratio);
      screen.imageSmoothingQuality = "high";
      screen.imageSmoothingEnabled = this.scale < 6;
      screen.drawImage(this.raw, 0, 0, this.shown.columns, this.shown.rows);
      const heat = this.host.heatOf(this.view);
      if (heat) screen.drawImage(heat, 0, 0, this.shown.columns, this.shown.rows);
    }
    this.overlay.draw();
    const note = this.host.noteOf(this.view);
    if (this.note.textContent !== note) this.note.textContent = note;
    const percentOf = (grey) => Math.round(grey / 655.35);
    this.reading.textContent =
      `${Math.round(100 * this.scale)} % · window ${percentOf(this.width)} level ${percentOf(this.centre)}${this.inverted ? " · inverted" : ""}`;
  }

  applyWindow() {
    const asked = `${this.centre} ${this.width} ${this.inverted}`;
    if (this.windowed === asked) return;
    this.windowed = asked;
    applyWindow(this.greys, this.cells, this);
    this.raw.getContext("2d").putImageData(this.cells, 0, 0);
  }

  point(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  inImage({ x, y }) {
    return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale };
  }

  get spacing() {
    return this.shown.pixel_spacing_mm?.[0] || this.host.state.views[this.view]?.spacing_mm || null;
  }

  length(pixels) {
    return this.spacing ? `${(pixels * this.spacing).toFixed(1)} mm` : `${pixels.toFixed(1)} px`;
  }

  listen() {
    const stage = this.stage;
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = this.point(event);
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
    }, { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.release(event));
    stage.addEventListener("pointercancel", () => this.cancel());
    stage.addEventListener("pointerleave", () => { this.loupe.hidden = true; });
    stage.addEventListener("dblclick", (event) => {
      if (event.target.closest("[data-level]") || this.host.tool === "measure") return;
      this.fit();
      this.host.viewed(this);
    });
    this.watch = new ResizeObserver(() => {
      if (this.fitted) this.fit();
      else this.redraw();
      this.sharpen();
    });
    this.watch.observe(stage);
  }

  press(event) {
    if (this.drag) return;
    event.preventDefault();
    this.host.activate(this.view);
    const screen = this.point(event);
    const at = this.inImage(screen);
    const level = event.target.closest("[data-level]")?.dataset.level ?? null;
    const chosen = level && this.host.isSelected(this.view, level);
    const box = level && this.host.box(this.view, level);
    let kind = this.host.tool;
    if (event.button === 1 || event.shiftKey) kind = "pan";
    else if (event.button === 2) kind = "window";
    else if (kind !== "add" && kind !== "measure" && box && event.target.dataset.edges) kind = "resize";
    else if (kind !== "add" && kind !== "measure" && box && (chosen || event.target.dataset.grip)) kind = "box";
    if (kind === "magnify") kind = "window";
    this.drag = { kind, level, box, edges: event.target.dataset.edges, from: screen, last: screen, at, far: false };
    if (kind === "box" || kind === "resize") this.host.select(this.view, level, true);
    this.stage.setPointerCapture(event.pointerId);
  }

  move(event) {
    const screen = this.point(event);
    if (this.host.tool === "magnify" && !this.drag) this.magnify(screen);
    else this.loupe.hidden = true;
    const drag = this.drag;
    if (!drag) return;
    const [dx, dy] = [screen.x - drag.last.x, screen.y - drag.last.y];
    const [across, down] = [screen.x - drag.from.x, screen.y - drag.from.y];
    drag.far ||= Math.hypot(across, down) >= CLICK_PX;
    if (!drag.far) return;
    drag.last = screen;
    if (drag.kind === "window") {
      this.width = Math.min(Math.max(this.width * Math.exp(dx / 250), LEAST_WINDOW), 131072);
      this.centre = Math.min(Math.max(this.centre + (dy * this.width) / 500, 0), 65535);
    } else if (drag.kind === "pan") {
      this.left += dx;
      this.top += dy;
      this.fitted = false;
      this.host.viewed(this);
    } else if (drag.kind === "box" || drag.kind === "resize") {
      this.draft = this.host.dragged(this.view, drag.box, drag.edges ?? "", across / this.scale, down / this.scale);
    } else {
      const to = this.inImage(screen);
      this.draft = { kind: drag.kind, x0: drag.at.x, y0: drag.at.y, x1: to.x, y1: to.y };
    }
    this.redraw();
  }

  release(event) {
    const { drag, draft } = this;
    this.drag = this.draft = null;
    if (!drag) return;
    if (!drag.far) {
      if (event.button === 0) this.host.select(this.view, drag.level, true);
    } else if (drag.kind === "box" || drag.kind === "resize") {
      this.host.placed(this.view, draft);
    } else if (drag.kind === "add") {
      const [x0, x1] = [draft.x0, draft.x1].sort((a, b) => a - b);
      const [y0, y1] = [draft.y0, draft.y1].sort((a, b) => a - b);
      this.host.added(this.view, { x0, y0, x1, y1 });
    } else if (drag.kind === "measure") {
      this.measures = [...this.measures.slice(-4), draft];
      this.host.measured(this.view, Math.hypot(draft.x1 - draft.x0, draft.y1 - draft.y0));
    } else if (drag.kind === "pan") this.sharpen();
    this.redraw();
  }

  cancel() {
    this.drag = this.draft = null;
    this.redraw();
  }

  magnify({ x, y }) {
    const side = Math.round(15 * parseFloat(getComputedStyle(document.documentElement).fontSize));
    const ratio = devicePixelRatio;
    this.loupe.hidden = !this.greys;
    if (!this.greys) return;
    this.sharpen(LOUPE_ZOOM);
    this.loupe.width = this.loupe.height = side * ratio;
    this.loupe.style.left = `${x - side / 2}px`;
    this.loupe.style.top = `${y - side / 2}px`;
    const at = this.inImage({ x, y });
    const scale = this.scale * LOUPE_ZOOM * ratio;
    const screen = this.loupe.getContext("2d");
    screen.setTransform(scale, 0, 0, scale, (side * ratio) / 2 - at.x * scale, (side * ratio) / 2 - at.y * scale);
    screen.drawImage(this.raw, 0, 0, this.shown.columns, this.shown.rows);
  }

  close() {
    this.gone = true;
    this.watch.disconnect();
    cancelAnimationFrame(this.waiting);
    this.greys = this.cells = null;
    for (const canvas of [this.raw, this.canvas, this.loupe]) canvas.width = canvas.height = 0;
  }
}
