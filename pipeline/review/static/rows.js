// Which studies the list shows, and in which order.

// Below this labelling margin OsteoLens warns (setting detection.warn_margin).
const LOW_MARGIN = 2.2;

export const FILTERS = [
  { key: "indeterminate", name: "Indeterminate", predicted: true, keeps: (row) => row.decision === "indeterminate" },
  { key: "rejected", name: "Rejected", predicted: true, keeps: (row) => row.rejection !== null || row.status === "failed" },
  { key: "fracture", name: "Suspected fracture", predicted: true, keeps: (row) => row.suspected_fractures?.length > 0 },
  { key: "disagrees", name: "Disagrees with DXA", predicted: true, keeps: (row) => row.disagrees === true },
  {
    key: "margin", name: "Low labelling margin", predicted: true,
    keeps: (row) => typeof row.labelling_margin === "number" && row.labelling_margin < LOW_MARGIN,
  },
  { key: "open", name: "Not yet reviewed", predicted: false, keeps: (row) => !row.reviewed },
];

const number = (value, missing) => (typeof value === "number" ? value : missing);

export const ORDERS = [
  { key: "doubt", name: "Doubt", predicted: true, by: (a, b) => number(b.doubt, 0) - number(a.doubt, 0) },
  { key: "label", name: "Study", predicted: false, by: (a, b) => a.label.localeCompare(b.label, "en", { numeric: true }) },
  {
    key: "osteoporosis", name: "Probability of osteoporosis", predicted: true,
    by: (a, b) => number(b.probabilities?.osteoporosis, -1) - number(a.probabilities?.osteoporosis, -1),
  },
  { key: "t_score", name: "T-score, lowest first", predicted: true, by: (a, b) => number(a.t_score, 99) - number(b.t_score, 99) },
  {
    key: "margin", name: "Labelling margin, lowest first", predicted: true,
    by: (a, b) => number(a.labelling_margin, 99) - number(b.labelling_margin, 99),
  },
  { key: "date", name: "Study date, newest first", predicted: false, by: (a, b) => (b.study_date ?? "").localeCompare(a.study_date ?? "") },
];

// What the search looks in; made once a row.
export function searchable(row, hidden) {
  const said = [row.label, row.study_uid, row.site, row.study_date];
  if (!hidden) {
    said.push(row.bmd_class, row.decision, row.rejection?.code, row.rejection?.reason, row.dxa_class, row.status);
    said.push(...(row.suspected_fractures ?? []));
  }
  return said.filter(Boolean).join("\n").toLowerCase();
}

export function selected(rows, view) {
  const kept = FILTERS.filter((filter) => view.filters.has(filter.key));
  const asked = view.search.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const out = rows.filter(
    (row) =>
      kept.every((filter) => filter.keeps(row)) &&
      (!view.code || row.rejection?.code === view.code) &&
      asked.every((word) => row.searchable.includes(word)),
  );
  const order = ORDERS.find((one) => one.key === view.order);
  return order ? out.sort(order.by) : out;
}
