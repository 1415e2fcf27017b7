// The worklist: filters, search, order, and a list that draws only the rows on the screen.

import * as api from "./api.js";
import { classBadge, h, probabilityBar, say, signed, words } from "./dom.js";
import { typing } from "./keys.js";
import { FILTERS, ORDERS, searchable, selected } from "./rows.js";

const SPARE_ROWS = 6;
const REST_MS = 90;
const LIKELY_MS = 150;
const LATER_COLUMNS = ["Class", "T-score", "Probabilities", "Decision", "Findings"];

export class Worklist {
  constructor(document_, open) {
    this.mode = document_.mode;
    this.exports = document_.exports;
    this.hidden = this.mode.hidden_predictions;
    this.rows = document_.studies.map((row) => ({ ...row, searchable: searchable(row, this.hidden) }));
    this.byUid = new Map(this.rows.map((row) => [row.study_uid, row]));
    this.open = open;
    const order = this.mode.reader_study ? "given" : this.hidden ? "label" : "doubt";
    this.view = { filters: new Set(), code: "", search: "", order };
    this.active = 0;
    this.scrolled = 0;
    this.shown = selected(this.rows, this.view);
  }

  // The study before or after one, in the order on the screen.
  beside(uid, step) {
    const at = this.shown.findIndex((row) => row.study_uid === uid);
    return this.shown[at < 0 ? 0 : at + step] ?? null;
  }

  place(uid) {
    const at = this.shown.findIndex((row) => row.study_uid === uid);
    return at < 0 ? "" : `${at + 1} of ${this.shown.length}`;
  }

  mount(main) {
    document.title = "OsteoLens review: worklist";
    const codes = [...new Set(this.rows.map((row) => row.rejection?.code).filter(Boolean))].sort();
    this.chips = FILTERS.filter((filter) => !(this.hidden && filter.predicted)).map((filter) =>
      h("button", { type: "button", class: "chip", "data-filter": filter.key, onclick: () => this.toggle(filter.key) },
        filter.name, " ", h("b", {}, String(this.rows.filter(filter.keeps).length))));
    this.count = h("p", { class: "count", role: "status" });
    this.search = h("input", {
      type: "search", id: "search", value: this.view.search, autocomplete: "off", spellcheck: "false",
      oninput: () => this.change({ search: this.search.value }),
    });
    const choice = (id, name, options, value, set) =>
      h("label", { class: "choice", for: id }, name, h("select", { id, onchange: (event) => set(event.target.value) },
        options.map(([key, text]) => h("option", { value: key, selected: key === value }, text))));
    const orders = ORDERS.filter((order) => !(this.hidden && order.predicted)).map((order) => [order.key, order.name]);
    if (this.mode.reader_study) orders.unshift(["given", "As drawn for the study"]);
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.list = h("div", { class: "list", role: "grid", tabindex: 0, "aria-label": "Studies", onkeydown: (event) => this.key(event) },
      h("div", { class: "row head", role: "row", "aria-rowindex": 1 }, this.columns().map((name) =>
        h("span", { class: `cell ${name.toLowerCase().replaceAll(" ", "-")}`, role: "columnheader" }, name))),
      this.body);
    this.list.addEventListener("scroll", () => this.draw(), { passive: true });
    main.replaceChildren(h("div", { class: `worklist${this.hidden ? " blind" : ""}` },
      h("h1", { class: "hidden" }, "Worklist"),
      h("div", { class: "filters" },
        h("label", { class: "choice search", for: "search" }, "Search ", this.search),
        !this.hidden && codes.length > 0 && choice("code", "Rejected for ", [["", "any reason"], ...codes.map((c) => [c, words(c)])],
          this.view.code, (code) => this.change({ code })),
        choice("order", "Order ", orders, this.view.order, (order) => this.change({ order })),
        this.count,
        h("div", { class: "chips", role: "group", "aria-label": "Show only" }, this.chips)),
      this.list,
      h("footer", { class: "foot" },
        !this.hidden && h("p", { class: "legend" }, ["normal", "osteopenia", "osteoporosis"].map((name) => [h("i", { class: name }), name, " "])),
        h("p", { class: "exports" }, "Export ", this.exports.map((name) => [h("a", { href: `/api/export/${name}`, download: name }, name), " "])))));
    this.keys = (event) => {
      if (event.key === "/" && !typing(event)) {
        event.preventDefault();
        this.search.focus();
      }
    };
    document.addEventListener("keydown", this.keys);
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.list);
    this.update();
    this.list.scrollTop = this.scrolled;
    this.list.focus({ preventScroll: true });
    this.likely(this.shown[this.active]);
  }

  columns() {
    return ["Picture", "Study", ...(this.hidden ? [] : LATER_COLUMNS), "Read"];
  }

  unmount() {
    this.scrolled = this.list.scrollTop;
    document.removeEventListener("keydown", this.keys);
    this.watch.disconnect();
    clearTimeout(this.rest);
    clearTimeout(this.guess);
  }

  // The images of a study that is likely to be opened next.
  likely(row) {
    clearTimeout(this.guess);
    this.guess = setTimeout(() => {
      for (const view of row?.views ?? []) api.pixels(row.study_uid, view).catch(() => {});
    }, LIKELY_MS);
  }

  toggle(key) {
    const filters = new Set(this.view.filters);
    if (!filters.delete(key)) filters.add(key);
    this.change({ filters });
  }

  change(values) {
    Object.assign(this.view, values);
    this.active = 0;
    this.list.scrollTop = 0;
    this.update();
  }

  update() {
    this.shown = selected(this.rows, this.view);
    for (const chip of this.chips) chip.setAttribute("aria-pressed", String(this.view.filters.has(chip.dataset.filter)));
    this.count.textContent = `${this.shown.length} of ${this.rows.length} studies`;
    this.list.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.list.setAttribute("aria-colcount", String(this.columns().length));
    this.drawn = null;
    this.draw();
  }

  get rowHeight() {
    return 4.5 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  draw() {
    const height = this.rowHeight;
    const first = Math.max(0, Math.floor(this.list.scrollTop / height) - SPARE_ROWS);
    const last = Math.min(this.shown.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / height) + SPARE_ROWS);
    const drawn = `${first} ${last} ${this.active} ${height}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.body.style.height = `${Math.max(this.shown.length, 1) * height}px`;
    const rows = this.shown.slice(first, last).map((row, k) => this.row(row, first + k, height));
    const none = h("div", { class: "row", role: "row" }, h("p", { class: "cell nothing", role: "gridcell" }, "No study fits these filters."));
    this.body.replaceChildren(...(rows.length ? rows : [none]));
    if (this.shown.length) this.list.setAttribute("aria-activedescendant", `row-${this.active}`);
    else this.list.removeAttribute("aria-activedescendant");
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      for (const image of this.body.querySelectorAll("img[data-src]")) {
        image.src = image.dataset.src;
        image.removeAttribute("data-src");
      }
    }, REST_MS);
  }

  row(row, index, height) {
    const cell = (name, ...content) => h("span", { class: `cell ${name}`, role: "gridcell" }, content);
    const view = row.views?.[0];
    const image = view && h("img", { alt: "", "data-src": api.ofView(row.study_uid, view, "thumb") });
    image?.addEventListener("error", () => image.remove());
    const found = [
      row.suspected_fractures?.length > 0 && h("span", { class: "tag warn" }, `fracture? ${row.suspected_fractures.join(" ")}`),
      row.disagrees && h("span", { class: "tag warn" }, `DXA: ${row.dxa_class ?? "differs"}`),
      typeof row.labelling_margin === "number" && FILTERS.find((f) => f.key === "margin").keeps(row) &&
        h("span", { class: "tag" }, `margin ${row.labelling_margin.toFixed(1)}`),
    ];
    const rejected = row.rejection && [h("b", {}, words(row.rejection.code)), h("small", {}, row.rejection.reason)];
    const failed = row.status === "failed" && !row.rejection && h("b", {}, "failed");
    const place = [row.site, row.study_date, (row.views ?? []).map((v) => (v === "AP" ? "AP" : "lat")).join(" + ")];
    const node = h("div", {
      class: `row${index === this.active ? " active" : ""}`, role: "row", id: `row-${index}`, "aria-rowindex": index + 2,
      "aria-selected": String(index === this.active), "data-uid": row.study_uid, onclick: () => this.open(row.study_uid),
      onpointerenter: () => this.likely(row),
    },
      cell("picture", image),
      cell("study", h("b", {}, row.label), h("small", {}, place.filter(Boolean).join(" · "))),
      !this.hidden && [
        cell("class", classBadge(row.bmd_class)),
        cell("t-score", signed(row.t_score), typeof row.dxa_t_score === "number" && h("small", {}, `DXA ${signed(row.dxa_t_score)}`)),
        cell("probabilities", row.probabilities && probabilityBar(row.probabilities)),
        cell("decision", rejected || failed ? h("span", { class: "refused" }, rejected || failed) : row.decision ?? "–"),
        cell("findings", found),
      ],
      cell("read", row.reviewed ? h("span", { class: "tag done" }, "✓ reviewed") : h("span", { class: "none" }, "open")));
    node.style.top = `${index * height}px`;
    node.style.height = `${height}px`;
    return node;
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / this.rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.shown.length, End: this.shown.length };
    if (event.key === "Enter" && this.shown[this.active]) this.open(this.shown[this.active].study_uid);
    else if (event.key in steps && this.shown.length) {
      event.preventDefault();
      this.active = Math.min(Math.max(this.active + steps[event.key], 0), this.shown.length - 1);
      const height = this.rowHeight;
      const head = this.list.firstElementChild.offsetHeight;
      const { scrollTop, clientHeight } = this.list;
      if (this.active * height < scrollTop) this.list.scrollTop = this.active * height;
      else if ((this.active + 1) * height + head > scrollTop + clientHeight) this.list.scrollTop = (this.active + 1) * height + head - clientHeight;
      this.likely(this.shown[this.active]);
      this.draw();
    }
  }

  reviewed(uid) {
    const row = this.byUid.get(uid);
    if (row) row.reviewed = true;
  }

  opened(uid) {
    const at = this.shown.findIndex((row) => row.study_uid === uid);
    if (at >= 0) this.active = at;
    else if (!this.byUid.has(uid)) say("This study is not in the worklist.", true);
  }
}
