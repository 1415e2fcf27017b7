// Why a level is left out, and why a study cannot be evaluated.

import * as c from "./corrections.js";
import { say } from "./dom.js";
import { askReason } from "./keys.js";

const WHY_LEFT_OUT = ["fracture", "metal or cement", "cut by the border", "overlaid", "degenerative change", "cannot be made out"];
const WHY_NOT_EVALUABLE = ["exposure", "positioning", "wrong region", "metal", "too few levels", "artefact"];

export async function leaveOut(page, view, level) {
  if (!c.GRADED.includes(level)) {
    say("Only L1 to L4 can be left out.");
    return;
  }
  if (level in page.state.views[view].left_out) {
    page.commit(c.leftOut(page.state, view, level, null));
    return;
  }
  const reason = await askReason(`Why is ${level} of the ${view === "AP" ? "AP" : "lateral"} view left out?`, WHY_LEFT_OUT);
  if (reason && !page.gone) page.commit(c.leftOut(page.state, view, level, reason));
}

export async function toggleEvaluable(page) {
  if (page.state.not_evaluable !== null) {
    page.commit(c.notEvaluable(page.state, null));
    return;
  }
  const reason = await askReason("Why can this study not be evaluated?", WHY_NOT_EVALUABLE);
  if (reason && !page.gone) page.commit(c.notEvaluable(page.state, reason));
}
