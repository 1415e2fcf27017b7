// Films of the patient's other studies beside the present ones: own contrast, nothing to correct in them.

import * as api from "./api.js";
import { h, signed } from "./dom.js";
import { Viewer } from "./viewer.js";

const LOOKING = ["window", "pan", "magnify", "measure"];

// What a viewer asks of its page, where nothing can be corrected.
class OtherStudy {
  readOnly = true;
  selection = null;

  constructor(page, views) {
    this.page = page;
    this.state = { views: Object.fromEntries(Object.entries(views).map(([view, shown]) => [view, { boxes: shown.boxes, left_out: shown.left_out ?? {} }])) };
  }

  get tool() {
    return LOOKING.includes(this.page.tool) ? this.page.tool : "window";
  }

  get layers() {
    return { boxes: this.page.layers.boxes, outlines: false };
  }

  isSelected() { return false; }
  box() { return null; }
  heatOf() { return null; }
  noteOf() { return ""; }
  activate() {}
  select() {}
  measured() {}
  viewed(viewer) { this.page.previous.follow(viewer); }
}

export class Previous {
  constructor(page) {
    this.page = page;
    this.shown = null;
    this.nodes = {};
    this.viewers = {};
    this.linked = false;
  }

  get others() {
    return this.page.study.previous ?? [];
  }

  // The latest one before the present study, else the first of the list.
  get likely() {
    const date = this.page.study.study_date;
    return this.others.find((other) => date && other.study_date && other.study_date < date) ?? this.others[0] ?? null;
  }

  static date(other) {
    return other.study_date ?? "without a date";
  }

  toggle(other = null) {
    const next = other ?? (this.shown ? null : this.likely);
    if (!next || next === this.shown) this.close();
    else this.open(next);
    this.page.render();
  }

  link() {
    this.linked = !this.linked;
    const { active, viewers } = this.page;
    if (this.linked && viewers[active]) this.follow(viewers[active]);
    this.page.render();
  }

  async open(other) {
    this.close();
    this.shown = other;
    const views = Object.keys(this.page.study.views);
    this.place(views, () => "Opening the film…");
    let films;
    try {
      films = (await api.films(other.study_uid)).views;
    } catch (error) {
      if (this.shown === other) this.place(views, () => `The study of ${Previous.date(other)} cannot be shown: ${error.message}.`);
      return;
    }
    if (this.shown !== other || this.page.gone) return;
    const problem = (view) => films[view] ? films[view].problem : `no ${view} film`;
    const host = new OtherStudy(this.page, films);
    const result = other.bmd_class ? `${other.bmd_class}, T-score ${signed(other.t_score)}` : "";
    for (const view of views.filter((one) => !problem(one))) {
      this.viewers[view] = new Viewer(other.study_uid, view, films[view], host, [Previous.date(other), result].filter(Boolean).join(" · "));
    }
    this.place(views, (view) => `${Previous.date(other)}: ${problem(view)}.`);
    for (const viewer of Object.values(this.viewers)) {
      viewer.fit();
      viewer.load().catch((error) => viewer.stage.append(h("p", { class: "nothing" }, error.message)));
    }
  }

  // Each film at the right of the present one of its view; a word where there is none.
  place(views, word) {
    this.nodes = Object.fromEntries(views.map((view) => [view, this.viewers[view]?.node ?? h("p", { class: "nothing pane" }, word(view))]));
    this.page.arrange();
  }

  // The other film of the view shows the same part.
  follow(viewer) {
    if (!this.linked) return;
    const other = [this.page.viewers[viewer.view], this.viewers[viewer.view]].find((one) => one && one !== viewer);
    if (other) other.place = viewer.place;
  }

  close() {
    for (const viewer of Object.values(this.viewers)) viewer.close();
    this.shown = null;
    this.nodes = {};
    this.viewers = {};
    if (!this.page.gone) this.page.arrange();
  }
}
