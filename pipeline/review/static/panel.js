// Beside the radiographs: result before and after correction, levels, findings and reasons.

import { GRADED, LEVELS } from "./corrections.js";
import { CLASSES, classBadge, h, percent, probabilityBar, signed, words } from "./dom.js";
import { leaveOut, toggleEvaluable } from "./reasons.js";
import { keepFocus } from "./toolbar.js";

const nameOf = (view) => (view === "AP" ? "AP" : "Lateral");

export function panel(page) {
  keepFocus(page.side, [
    page.hidden ? hiddenNote(page) : results(page),
    chosenBox(page), levels(page), evaluable(page), spacings(page), !page.hidden && remarks(page), previous(page), legend(page),
  ]);
}

const section = (title, ...content) => h("section", {}, h("h2", {}, title), content);

function hiddenNote(page) {
  return section("Reading", h("p", {}, "Predictions are hidden. Draw or correct the boxes of L1 to L4, grade fractures, then go on with ", h("kbd", {}, "N"), "."));
}

function result(title, shown) {
  const set = shown.prediction_set?.length ? `${shown.prediction_set.join(" or ")}` : null;
  return h("div", { class: "result" },
    h("h3", {}, title),
    h("p", { class: "headline" }, classBadge(shown.bmd_class), h("span", {}, "T-score ", h("b", {}, signed(shown.t_score)))),
    probabilityBar(shown.probabilities, `${title}: `),
    h("p", { class: "decision" }, shown.decision ?? "no decision", set && h("small", {}, `set: ${set}`)));
}

function results(page) {
  const { prediction } = page;
  const first = prediction && result("As screened", { ...prediction, t_score: prediction.t_score_estimate });
  const rejected = prediction?.rejection &&
    h("p", { class: "refused" }, h("b", {}, `Rejected: ${words(prediction.rejection.code)}. `), prediction.rejection.reason);
  const failure = prediction?.failure && h("p", { class: "refused" }, `Failed: ${prediction.failure}`);
  const dxa = page.row?.dxa_class && h("p", { class: page.row.disagrees ? "refused" : "" },
    `DXA: ${page.row.dxa_class}, T-score ${signed(page.row.dxa_t_score)}${page.row.disagrees ? "; disagrees" : ""}`);
  return section("Result", prediction?.bmd_class ? first : null, rejected, failure, dxa, h("div", { class: "again", "aria-live": "polite" }, corrected(prediction, page.reclassified.result)));
}

function corrected(prediction, again) {
  if (!again) return h("p", { class: "none" }, "The boxes are as screened.");
  if (again.waiting) return h("p", { class: "none" }, "Classifying on your boxes…");
  if (again.refused) return h("p", { class: "refused" }, `No class on your boxes: ${again.refused}`);
  const before = prediction?.probabilities;
  const change = before && h("p", { class: "change" }, CLASSES.map((key) => {
    const points = Math.round(100 * (again.probabilities[key] - before[key]));
    return h("span", {}, `${key} ${percent(again.probabilities[key])} (${points < 0 ? "−" : "+"}${Math.abs(points)})`);
  }));
  return [result("On your boxes", again), change];
}

function chosenBox(page) {
  const { selection } = page;
  if (!selection) return section("Chosen box", h("p", { class: "none" }, "None. Click a box or press Tab."));
  const { view, level } = selection;
  const box = page.box(view, level);
  const viewer = page.viewers[view];
  const reason = page.state.views[view].left_out[level];
  const wide = viewer.length(box.x1 - box.x0);
  const high = viewer.length(box.y1 - box.y0);
  return section(`Chosen box: ${level}, ${nameOf(view)}`,
    h("p", {}, `${wide} wide, ${high} high`),
    h("div", { class: "buttons" },
      h("label", { class: "choice" }, "Name ", h("select", { "data-key": "rename", onchange: (event) => page.rename(event.target.value) },
        LEVELS.map((name) => h("option", { value: name, selected: name === level }, name)))),
      GRADED.includes(level) && h("button", { type: "button", "data-key": "leave out", onclick: () => leaveOut(page, view, level) },
        reason === undefined ? "Leave out " : "Take back in ", h("kbd", { "aria-hidden": "true" }, "X")),
      h("button", { type: "button", "data-key": "delete", onclick: () => page.remove() }, "Delete ", h("kbd", { "aria-hidden": "true" }, "Del"))),
    reason !== undefined && h("p", { class: "reason" }, `Left out: ${reason}`));
}

function levels(page) {
  const views = Object.keys(page.state.views);
  const used = (view, level) => {
    if (!page.box(view, level)) return h("span", { class: "none" }, "no box");
    const out = level in page.state.views[view].left_out;
    return h("button", { type: "button", class: "link", "data-key": `level ${view} ${level}`, onclick: () => page.select(view, level, true) }, out ? "left out" : "✓ used");
  };
  const grade = (level) => h("select", {
    "data-key": `grade ${level}`, "aria-label": `Fracture grade of ${level}`,
    onchange: (event) => page.grade(level, event.target.value === "" ? null : Number(event.target.value)),
  }, [["", "–"], ["0", "0 none"], ["1", "1 mild"], ["2", "2 moderate"], ["3", "3 severe"]].map(([value, text]) =>
    h("option", { value, selected: String(page.state.fracture_grades[level] ?? "") === value }, text)));
  return section("Levels", h("table", { class: "levels" },
    h("thead", {}, h("tr", {}, ["Level", ...views.map(nameOf), "Fracture"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, GRADED.map((level) => h("tr", {},
      h("th", { scope: "row" }, h("i", { class: `swatch level-${level}` }), level), views.map((view) => h("td", {}, used(view, level))), h("td", {}, grade(level)))))),
    !page.hidden && heights(page));
}

const HEIGHTS = [["anterior_height", "Anterior"], ["middle_height", "Middle"], ["posterior_height", "Posterior"]];

function heights(page) {
  const { source, byLevel } = page.bodies.heights;
  const measured = Object.values(byLevel);
  const unit = measured[0]?.unit ?? (page.viewers.LATERAL?.spacing ? "mm" : "px");
  const loss = (v) => v.suspected ? h("span", { class: "tag warn" }, `grade ${v.genant_grade}? ${Math.round(100 * v.height_loss)} %`) : `${Math.round(100 * v.height_loss)} %`;
  return h("table", { class: "levels heights" },
    h("caption", {}, `Heights in ${unit}, lateral view, ${source}`),
    h("thead", {}, h("tr", {}, ["Level", ...HEIGHTS.map(([, name]) => name), "Loss"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, GRADED.map((level) => {
      const v = byLevel[level];
      return h("tr", {}, h("th", { scope: "row" }, h("i", { class: `swatch level-${level}` }), level),
        HEIGHTS.map(([key]) => h("td", {}, v ? v[key].toFixed(1) : "–")), h("td", {}, v ? loss(v) : "–"));
    })));
}

function evaluable(page) {
  const reason = page.state.not_evaluable;
  return section("Evaluable",
    reason !== null && h("p", { class: "refused" }, `Not evaluable: ${reason}`),
    h("button", { type: "button", "data-key": "evaluable", onclick: () => toggleEvaluable(page) },
      reason === null ? "Not evaluable… " : "Evaluable again ", h("kbd", { "aria-hidden": "true" }, "E")));
}

function spacings(page) {
  const rows = Object.entries(page.viewers).map(([view, viewer]) => {
    const own = page.state.views[view].spacing_mm;
    if (viewer.spacing) return h("p", {}, `${nameOf(view)}: ${viewer.spacing.toFixed(3)} mm a pixel${own ? ", by your measurement" : ""}`);
    const measured = page.lastMeasure?.view === view ? page.lastMeasure : null;
    if (!measured) return h("p", {}, `${nameOf(view)}: unknown. Measure (`, h("kbd", {}, "M"), ") a ruler or an object of known length.");
    const known = h("input", { type: "number", min: 1, max: 1000, step: "any", required: true, id: `known-${view}`, "data-key": `known ${view}` });
    return h("form", { class: "known", onsubmit: (event) => { event.preventDefault(); if (known.valueAsNumber > 0) page.setSpacing(view, known.valueAsNumber); } },
      h("label", { for: known.id }, `${nameOf(view)}: ${measured.pixels.toFixed(1)} px are `), known, " mm ", h("button", {}, "Take"));
  });
  return section("Spacing", rows);
}

function remarks(page) {
  const { prediction } = page;
  const { cobb, source } = page.bodies.heights;
  const said = [
    ...(prediction?.warnings ?? []),
    ...(cobb ? [`Cobb angle ${cobb.degrees.toFixed(1)}°, ${cobb.upper} to ${cobb.lower}, ${source}`] : []),
    ...Object.entries(page.state.views).flatMap(([view, v]) => Object.entries(v.left_out).map(([level, why]) => `${level} ${nameOf(view)} left out: ${why}`)),
    ...Object.entries(prediction?.views ?? {}).filter(([, v]) => typeof v.labelling_margin === "number").map(([view, v]) => `${nameOf(view)} labelling margin ${v.labelling_margin.toFixed(1)}`),
  ];
  return said.length > 0 && section("Remarks", h("ul", {}, said.map((text) => h("li", {}, text))));
}

function previous(page) {
  const { others, shown } = page.previous;
  if (!others.length) return null;
  const present = page.study.study_date;
  return section("Other studies of this patient", h("ul", { class: "others" }, others.map((other) => {
    const { study_uid: uid, study_date: date } = other;
    const age = present && date ? (date < present ? "earlier" : date > present ? "later" : "same day") : null;
    const text = [date ?? "no date", age, other.bmd_class && `${other.bmd_class}, T-score ${signed(other.t_score)}`].filter(Boolean).join(", ");
    return h("li", {}, h("a", { href: `#/study/${encodeURIComponent(uid)}`, "data-key": `previous ${uid}` }, text), " ",
      h("button", { type: "button", "data-key": `beside ${uid}`, "aria-pressed": String(shown === other), "aria-label": `Films of ${date ?? "the study without a date"} beside these`,
        onclick: () => page.previous.toggle(other) }, "Beside"));
  })));
}

function legend(page) {
  return section("Legend", h("p", { class: "legend" },
    GRADED.map((level) => [h("i", { class: `level-${level}` }), level, " "]), h("i", { class: "level-other" }), "others ",
    h("i", { class: "dashed" }), "left out ",
    !page.hidden && [h("i", { class: "outlined" }), "outline ", h("i", { class: "heat" }), "Grad-CAM, weak to strong "],
    !page.hidden && CLASSES.map((name) => [h("i", { class: name }), name, " "])));
}
