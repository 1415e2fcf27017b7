// What the server is told of a study: each change is saved, and boxes that were changed are classified again.

import * as api from "./api.js";
import { say } from "./dom.js";
import { panel } from "./panel.js";

const SAVE_AFTER_MS = 700;
const CLASSIFY_AFTER_MS = 350;
const TRY_AGAIN_MS = 5000;

// What was saved of each image of the study; one that is not found now keeps it.
const savedViews = ({ corrections, views }) =>
  Object.fromEntries(Object.entries(corrections?.views ?? {}).filter(([view]) => view in views));

// One request at a time; what changed meanwhile goes with the next one.
export class Autosave {
  constructor(page, before) {
    this.page = page;
    this.state = before ? "done" : "none";
    this.text = before ? "saved before" : "";
  }

  told(state, text) {
    this.state = state;
    this.text = text;
  }

  soon(after = SAVE_AFTER_MS) {
    this.told("waiting", "not saved yet");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), after);
  }

  async save(closing = false) {
    clearTimeout(this.timer);
    if (!closing) await this.sending?.catch(() => {});
    const { page } = this;
    page.tick();
    const { state } = page;
    const views = { ...savedViews(page.study), ...state.views };
    this.sending = api.save(page.uid, { ...state, views, seconds: Math.round(page.spent * 10) / 10 }, closing);
    try {
      const answer = await this.sending;
      page.worklist.reviewed(page.uid);
      if (page.state === state) this.told("done", `saved ${new Date(answer.saved).toTimeString().slice(0, 5)}`);
      return true;
    } catch (error) {
      this.told("failed", "NOT saved");
      say(`NOT saved: ${error.message}`, true);
      const refused = error.status >= 400 && error.status < 500;
      if (!page.gone && !refused) this.timer = setTimeout(() => this.save(), TRY_AGAIN_MS);
      return false;
    } finally {
      this.sending = null;
      page.render();
    }
  }

  get open() {
    return this.state === "waiting" || this.state === "failed";
  }

  // `closing`: the page itself goes, and no answer will be heard.
  leave(closing) {
    if (this.open) this.save(closing);
    clearTimeout(this.timer);
  }
}

const drawn = (state) => Object.fromEntries(Object.entries(state.views).map(([view, v]) => [view, { boxes: v.boxes, left_out: v.left_out }]));

// The class on the corrected boxes, to stand beside the first one.
export class Reclassified {
  constructor(page) {
    this.page = page;
    this.result = null;
    this.first = JSON.stringify(drawn(page.first));
  }

  soon() {
    const { page } = this;
    if (page.hidden) return;
    const asked = JSON.stringify(drawn(page.state));
    if (asked === this.asked && page.state.not_evaluable === null) return;
    this.stop();
    if (asked === this.first || page.state.not_evaluable !== null) {
      this.result = null;
      return;
    }
    this.asked = asked;
    this.result = { waiting: true };
    this.timer = setTimeout(() => this.classify(), CLASSIFY_AFTER_MS);
  }

  async classify() {
    this.request = new AbortController();
    const { signal } = this.request;
    try {
      this.result = await api.classify(this.page.uid, { views: drawn(this.page.state) }, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.result = { refused: error.message };
    }
    if (!this.page.gone) panel(this.page);
  }

  stop() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.asked = null;
  }
}
