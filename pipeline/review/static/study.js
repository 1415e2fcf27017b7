// One study: both radiographs and the reader's corrections.

import * as api from "./api.js";
import * as c from "./corrections.js";
import { h, say } from "./dom.js";
import { Autosave, Reclassified } from "./kept.js";
import { Bodies, Heat } from "./layers.js";
import { panel } from "./panel.js";
import { Previous } from "./previous.js";
import { onKey, toolbar } from "./toolbar.js";
import { Viewer } from "./viewer.js";

export class StudyPage {
  constructor(uid, worklist, go) {
    Object.assign(this, { uid, worklist, go });
    this.mode = worklist.mode;
    this.hidden = this.mode.hidden_predictions;
    this.row = worklist.byUid.get(uid) ?? null;
    this.layers = { boxes: true, outlines: false, heat: false };
    this.tool = "window";
    this.selection = null;
    this.viewers = {};
    this.spent = 0;
    this.lastMeasure = null;
  }

  async mount(main) {
    this.main = main;
    document.title = `OsteoLens review: ${this.row?.label ?? "study"}`;
    main.replaceChildren(h("p", { class: "nothing" }, "Opening the study…"));
    for (const view of this.row?.views ?? []) api.pixels(this.uid, view).catch(() => {});
    let study;
    try {
      study = await api.study(this.uid);
    } catch (error) {
      if (!this.gone) main.replaceChildren(h("p", { class: "nothing" }, `The study cannot be shown: ${error.message}. `, h("a", { href: "#/" }, "Back to the worklist")));
      return;
    }
    if (this.gone) return;
    this.study = study;
    this.prediction = this.hidden ? null : study.prediction;
    const views = Object.fromEntries(Object.entries(study.views).filter(([, shown]) => !shown.problem));
    this.first = c.initial(views, this.prediction);
    this.history = new c.History(study.corrections ? c.restored(study.corrections, views, this.prediction) : this.first);
    this.autosave = new Autosave(this, Boolean(study.corrections));
    this.reclassified = new Reclassified(this);
    this.bodies = new Bodies(this);
    this.heat = new Heat(this);
    this.previous = new Previous(this);
    this.active = Object.keys(views)[0] ?? null;
    for (const [view, shown] of Object.entries(views)) this.viewers[view] = new Viewer(this.uid, view, shown, this);
    this.panes = h("div", { class: "panes" });
    this.bar = h("div", { class: "tools", role: "toolbar", "aria-label": "Tools" });
    this.side = h("aside", { class: "panel", "aria-label": "Result and corrections" });
    main.replaceChildren(h("div", { class: "study-page" },
      h("h1", { class: "hidden" }, `Study ${this.row?.label ?? ""}`),
      this.bar, this.panes, this.side));
    this.arrange();
    this.onkey = (event) => onKey(this, event);
    this.onhide = () => this.autosave.leave(true);
    this.onunload = (event) => this.autosave.open && event.preventDefault();
    document.addEventListener("keydown", this.onkey);
    window.addEventListener("pagehide", this.onhide);
    window.addEventListener("beforeunload", this.onunload);
    this.since = performance.now();
    this.clock = setInterval(() => this.tick(), 1000);
    this.bodies.update();
    this.render();
    this.reclassified.soon();
    const loads = Object.values(this.viewers).map((viewer) => {
      viewer.fit();
      return viewer.load().catch((error) => viewer.stage.append(h("p", { class: "nothing" }, error.message)));
    });
    Promise.all(loads).then(() => this.prefetch());
  }

  // Each view, with its earlier film at the right where one is open; a word where an image cannot be shown.
  arrange() {
    const { views } = this.study;
    this.panes.classList.toggle("compared", Boolean(this.previous.shown));
    this.panes.replaceChildren(...Object.keys(views).flatMap((view) => [
      this.viewers[view]?.node ?? h("p", { class: "nothing pane" }, `${view}: ${views[view].problem}`), this.previous.nodes[view],
    ]).filter(Boolean));
    if (!this.panes.children.length) this.panes.append(h("p", { class: "nothing" }, "This study has no image."));
  }

  // All images on the screen, those of an earlier study too.
  get films() {
    return [...Object.values(this.viewers), ...Object.values(this.previous.viewers)];
  }

  // The next study's images, so that it is there at once.
  prefetch() {
    const next = !this.gone && this.worklist.beside(this.uid, 1);
    for (const view of (next && next.views) || []) api.pixels(next.study_uid, view).catch(() => {});
  }

  get state() {
    return this.history.state;
  }

  tick() {
    const now = performance.now();
    if (!document.hidden) this.spent += Math.min(now - this.since, 1500) / 1000;
    this.since = now;
    const clock = this.bar.querySelector(".timer");
    if (clock) clock.textContent = this.elapsed;
  }

  get elapsed() {
    return `${Math.floor(this.spent / 60)}:${String(Math.floor(this.spent % 60)).padStart(2, "0")}`;
  }

  render() {
    if (this.gone) return;
    toolbar(this);
    panel(this);
    for (const viewer of this.films) viewer.redraw();
  }

  // Answers to a viewer.
  isSelected(view, level) {
    return this.selection?.view === view && this.selection.level === level;
  }

  box(view, level) {
    return c.find(this.state, view, level);
  }

  viewed(viewer) {
    this.previous.follow(viewer);
  }

  outlines(view) {
    return this.bodies.outlines(view);
  }

  heatOf(view) {
    return this.layers.heat ? this.heat.layers[view] : null;
  }

  noteOf(view) {
    return this.heat.text(view);
  }

  activate(view) {
    if (this.active !== view) {
      this.active = view;
      this.render();
    }
  }

  select(view, level, focus) {
    if (this.selection?.view !== view || this.selection?.level !== level) {
      this.active = view;
      this.selection = level ? { view, level } : null;
      this.render();
    }
    if (focus && level) this.viewers[view].overlay.wantsFocus = true;
    this.viewers[view].redraw();
  }

  dragged(view, box, edges, dx, dy) {
    const { rows, columns } = this.study.views[view];
    return c.within(edges ? c.resized(box, edges, dx, dy) : c.moved(box, dx, dy), rows, columns, edges);
  }

  placed(view, box) {
    this.commit(c.place(this.state, view, box));
  }

  added(view, drawn) {
    const { rows, columns } = this.study.views[view];
    const box = c.within(drawn, rows, columns, "nsew");
    if (box.x1 - box.x0 < c.LEAST_SIDE || box.y1 - box.y0 < c.LEAST_SIDE) {
      say("This box is too small; drag it from corner to corner.");
      return;
    }
    const level = c.likelyName(this.state, view, box);
    if (!level) {
      say("Every level has its box in this view; delete or move one.");
      return;
    }
    this.commit(c.place(this.state, view, { ...box, level }));
    this.tool = "window";
    this.select(view, level, true);
    say(`Box ${level} added; rename it with , and . if it is another.`);
  }

  measured(view, pixels) {
    this.lastMeasure = { view, pixels };
    this.render();
  }

  setSpacing(view, millimetres) {
    this.commit(c.withSpacing(this.state, view, millimetres / this.lastMeasure.pixels));
  }

  // Changes by the reader.
  commit(state) {
    if (this.history.commit(state)) this.changed();
  }

  undo() {
    if (this.history.undo()) this.changed();
    else say("Nothing to undo.");
  }

  redo() {
    if (this.history.redo()) this.changed();
    else say("Nothing to redo.");
  }

  changed() {
    if (this.selection && !this.box(this.selection.view, this.selection.level)) this.selection = null;
    this.autosave.soon();
    this.reclassified.soon();
    this.bodies.update();
    this.heat.update();
    this.render();
  }

  nudge(dx, dy, edges) {
    const { view, level } = this.selection;
    this.commit(c.place(this.state, view, this.dragged(view, this.box(view, level), edges, dx, dy)));
    this.viewers[view].overlay.wantsFocus = true;
  }

  rename(to) {
    const { view, level } = this.selection;
    if (!to || to === level) return;
    this.selection = { view, level: to };
    const swapped = this.box(view, to);
    this.commit(c.renamed(this.state, view, level, to));
    this.viewers[view].overlay.wantsFocus = true;
    say(swapped ? `${level} and ${to} have changed names.` : `${level} is now ${to}.`);
  }

  shift(step, everywhere) {
    const views = everywhere ? Object.keys(this.state.views) : [this.active];
    const { state, dropped } = c.shifted(this.state, views, step);
    if (this.selection && views.includes(this.selection.view)) {
      const level = c.LEVELS[c.LEVELS.indexOf(this.selection.level) + step];
      this.selection = level ? { ...this.selection, level } : null;
    }
    this.commit(state);
    const gone = dropped.length ? ` ${dropped.join(", ")} has no name there and was dropped.` : "";
    say(`Names of ${views.join(" and ")} moved one level ${step < 0 ? "up" : "down"}.${gone}`);
  }

  remove() {
    const { view, level } = this.selection;
    this.commit(c.removed(this.state, view, level));
    say(`Box ${level} deleted; Ctrl Z brings it back.`);
  }

  grade(level, grade) {
    if (!c.GRADED.includes(level)) say("Only L1 to L4 are graded.");
    else this.commit(c.graded(this.state, level, grade));
  }

  toggle(layer) {
    this.layers[layer] = !this.layers[layer];
    this.bodies.update(true);
    this.heat.update(true);
    this.render();
  }

  use(tool) {
    this.tool = this.tool === tool ? "window" : tool;
    this.render();
  }

  async reviewed() {
    if ((await this.autosave.save()) && !this.gone) this.step(1);
  }

  step(by) {
    const next = this.worklist.beside(this.uid, by);
    if (next) this.go.open(next.study_uid);
    else if (by > 0) {
      say("That was the last study of the list.");
      this.go.back();
    }
  }

  unmount() {
    this.autosave?.leave(false);
    this.reclassified?.stop();
    this.bodies?.stop();
    this.heat?.stop();
    this.gone = true;
    clearInterval(this.clock);
    document.removeEventListener("keydown", this.onkey);
    window.removeEventListener("pagehide", this.onhide);
    window.removeEventListener("beforeunload", this.onunload);
    this.previous?.close();
    for (const viewer of Object.values(this.viewers)) viewer.close();
  }
}
