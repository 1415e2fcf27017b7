// What a reader makes of a study: plain values in, new values out. Pixels of the image as read, x right, y down.

export const LEVELS = ["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"];
export const GRADED = ["L1", "L2", "L3", "L4"];
export const LEAST_SIDE = 4;

const byLevel = (a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level);
const plain = ({ level, x0, y0, x1, y1 }) => ({ level, x0, y0, x1, y1 });

// The state before a reader has changed anything: the boxes as found, the levels left out with the reason given.
export function initial(views, prediction) {
  const state = { views: {}, fracture_grades: {}, not_evaluable: null };
  for (const [view, shown] of Object.entries(views)) {
    const leftOut = {};
    const levels = prediction?.views?.[view]?.levels ?? {};
    for (const box of shown.boxes) {
      const level = levels[box.level];
      if (level && !level.used) leftOut[box.level] = (level.reason || level.code || "left out").slice(0, 200);
    }
    state.views[view] = { boxes: shown.boxes.map(plain).sort(byLevel), left_out: leftOut };
  }
  return state;
}

// A state that was saved, completed by the views that it does not name.
export function restored(saved, views, prediction) {
  const state = initial(views, prediction);
  for (const [view, values] of Object.entries(saved?.views ?? {})) {
    if (!state.views[view]) continue;
    state.views[view] = { boxes: values.boxes.map(plain).sort(byLevel), left_out: { ...values.left_out } };
    if (values.spacing_mm) state.views[view].spacing_mm = values.spacing_mm;
  }
  state.fracture_grades = { ...saved?.fracture_grades };
  state.not_evaluable = saved?.not_evaluable ?? null;
  return state;
}

function withView(state, view, values) {
  return { ...state, views: { ...state.views, [view]: { ...state.views[view], ...values } } };
}

export const find = (state, view, level) => state.views[view]?.boxes.find((box) => box.level === level) ?? null;

export function place(state, view, box) {
  const others = state.views[view].boxes.filter((other) => other.level !== box.level);
  return withView(state, view, { boxes: [...others, plain(box)].sort(byLevel) });
}

export const moved = (box, dx, dy) => ({ ...box, x0: box.x0 + dx, x1: box.x1 + dx, y0: box.y0 + dy, y1: box.y1 + dy });

// `edges` names the sides that follow: any of n, s, e, w.
export function resized(box, edges, dx, dy) {
  const out = { ...box };
  if (edges.includes("w")) out.x0 = Math.min(box.x0 + dx, box.x1 - LEAST_SIDE);
  if (edges.includes("e")) out.x1 = Math.max(box.x1 + dx, box.x0 + LEAST_SIDE);
  if (edges.includes("n")) out.y0 = Math.min(box.y0 + dy, box.y1 - LEAST_SIDE);
  if (edges.includes("s")) out.y1 = Math.max(box.y1 + dy, box.y0 + LEAST_SIDE);
  return out;
}

// Inside the image: a box that was moved keeps its size, edges that were dragged stop at the border.
export function within(box, rows, columns, edges = "") {
  if (edges) {
    const cut = (value, most) => Math.min(Math.max(value, 0), most);
    const out = { ...box };
    if (edges.includes("w")) out.x0 = cut(box.x0, columns);
    if (edges.includes("e")) out.x1 = cut(box.x1, columns);
    if (edges.includes("n")) out.y0 = cut(box.y0, rows);
    if (edges.includes("s")) out.y1 = cut(box.y1, rows);
    return out;
  }
  const back = (low, high, most) => Math.max(0, -low) || Math.min(0, most - high);
  return moved(box, back(box.x0, box.x1, columns), back(box.y0, box.y1, rows));
}

export function removed(state, view, level) {
  const { [level]: _, ...leftOut } = state.views[view].left_out;
  return withView(state, view, { boxes: state.views[view].boxes.filter((b) => b.level !== level), left_out: leftOut });
}

// A box of a name that another one bears takes it, and the other gets the first one's.
export function renamed(state, view, from, to) {
  if (from === to) return state;
  const swap = { [from]: to, [to]: from };
  const name = (level) => swap[level] ?? level;
  const { boxes, left_out: leftOut } = state.views[view];
  return withView(state, view, {
    boxes: boxes.map((box) => ({ ...box, level: name(box.level) })).sort(byLevel),
    left_out: Object.fromEntries(
      Object.entries(leftOut).map(([level, reason]) => [name(level), reason]).filter(([level]) => GRADED.includes(level)),
    ),
  });
}

// All names of some views by one level; what has no name any more is dropped and returned.
export function shifted(state, views, step) {
  const target = (level) => LEVELS[LEVELS.indexOf(level) + step];
  const shift = (named) =>
    Object.fromEntries(Object.entries(named).map(([level, v]) => [target(level), v]).filter(([level]) => GRADED.includes(level)));
  let out = state;
  const dropped = [];
  for (const view of views) {
    const { boxes, left_out: leftOut } = state.views[view];
    dropped.push(...boxes.filter((box) => !target(box.level)).map((box) => `${view} ${box.level}`));
    out = withView(out, view, {
      boxes: boxes.filter((box) => target(box.level)).map((box) => ({ ...box, level: target(box.level) })),
      left_out: shift(leftOut),
    });
  }
  if (Object.keys(state.views).every((view) => views.includes(view))) {
    out = { ...out, fracture_grades: shift(state.fracture_grades) };
  }
  return { state: out, dropped };
}

export function leftOut(state, view, level, reason) {
  const { [level]: _, ...others } = state.views[view].left_out;
  return withView(state, view, { left_out: reason === null ? others : { ...others, [level]: reason } });
}

export function graded(state, level, grade) {
  const { [level]: _, ...others } = state.fracture_grades;
  return { ...state, fracture_grades: grade === null ? others : { ...others, [level]: grade } };
}

export const notEvaluable = (state, reason) => ({ ...state, not_evaluable: reason });

export const withSpacing = (state, view, spacing) => withView(state, view, { spacing_mm: spacing });

// The name that a new box most likely has: by its height between the others.
export function likelyName(state, view, box) {
  const { boxes } = state.views[view];
  const free = LEVELS.filter((level) => !find(state, view, level));
  const middle = (b) => (b.y0 + b.y1) / 2;
  const above = boxes.filter((b) => middle(b) < middle(box)).map((b) => LEVELS.indexOf(b.level));
  const below = boxes.filter((b) => middle(b) > middle(box)).map((b) => LEVELS.indexOf(b.level));
  const least = above.length ? Math.max(...above) + 1 : 0;
  const most = below.length ? Math.min(...below) - 1 : LEVELS.length - 1;
  const fitting = free.filter((level) => LEVELS.indexOf(level) >= least && LEVELS.indexOf(level) <= most);
  if (!fitting.length) return free.at(-1) ?? null;
  if (!boxes.length && fitting.includes("L1")) return "L1";
  return above.length ? fitting[0] : fitting.at(-1);
}

export class History {
  constructor(state) {
    this.past = [];
    this.future = [];
    this.state = state;
  }

  commit(state) {
    if (JSON.stringify(state) === JSON.stringify(this.state)) return false;
    this.past.push(this.state);
    this.future = [];
    this.state = state;
    return true;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.state);
    this.state = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.state);
    this.state = this.future.pop();
    return true;
  }
}
