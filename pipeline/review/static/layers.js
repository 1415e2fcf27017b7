// Layers that the server makes for the boxes on the screen: outlines with heights, and Grad-CAM.

import * as api from "./api.js";
import { say } from "./dom.js";

const AFTER_MS = 350;

const asSent = (state) => Object.fromEntries(Object.entries(state.views).map(([view, v]) => [
  view, { boxes: v.boxes, left_out: v.left_out, ...(v.spacing_mm ? { spacing_mm: v.spacing_mm } : {}) },
]));

// One request at a time, for the boxes as they are; an answer to boxes that have changed since is not used.
class Asked {
  constructor(page) {
    this.page = page;
    this.asked = null;
  }

  update(now = false) {
    if (!this.wanted) {
      this.stop();
      return;
    }
    const views = asSent(this.page.state);
    const asked = JSON.stringify(views);
    if (asked === this.asked) return;
    this.stop();
    this.asked = asked;
    this.waiting = true;
    this.timer = setTimeout(() => this.ask(views), now ? 0 : AFTER_MS);
  }

  async ask(views) {
    this.request = new AbortController();
    const { signal } = this.request;
    try {
      await this.fetch(views, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.failed(error);
    }
    if (signal.aborted || this.page.gone) return;
    this.waiting = false;
    this.page.render();
  }

  stop() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.asked = null;
    this.waiting = false;
    this.clear();
  }

  get isChanged() {
    return JSON.stringify(asSent(this.page.state)) !== JSON.stringify(asSent(this.page.first));
  }
}

// Outlines of bodies, heights and suspected fractures.
export class Bodies extends Asked {
  get wanted() {
    const { page } = this;
    return !page.hidden && page.active !== null && (page.layers.outlines || this.isChanged);
  }

  clear() {
    this.found = this.refused = null;
  }

  async fetch(views, signal) {
    this.found = (await api.bodies(this.page.uid, { views }, signal)).views;
  }

  failed(error) {
    this.refused = error.message;
    if (this.page.layers.outlines) say(`No outlines: ${error.message}`, true);
  }

  outlines(view) {
    return this.found?.[view]?.outlines ?? {};
  }

  // Heights by level, and what they were measured on; those of the screening while no box has changed.
  get heights() {
    const changed = this.isChanged;
    if (changed && !this.found) return { source: this.refused ? `not measured: ${this.refused}` : "being measured on your boxes…", byLevel: {} };
    const findings = this.page.prediction?.findings;
    const measured = changed ? this.found.LATERAL?.vertebrae : findings?.vertebrae;
    const cobb = changed ? this.found.AP?.cobb : findings?.cobb;
    return { source: changed ? "on your boxes" : "as screened", byLevel: Object.fromEntries((measured ?? []).map((v) => [v.level, v])), cobb };
  }
}

// Where the classifier looked: of the first result as it was stored, of other boxes made anew.
export class Heat extends Asked {
  get wanted() {
    return !this.page.hidden && this.page.active !== null && this.page.layers.heat;
  }

  clear() {
    this.layers = {};
    this.source = null;
  }

  async fetch(views, signal) {
    const { uid } = this.page;
    if (!this.isChanged) {
      this.layers = await stored(uid, Object.keys(views), signal);
      this.source = "boxes as screened";
      if (Object.keys(this.layers).length) return;
    }
    try {
      this.layers = await api.heat(uid, { views }, signal);
      this.source = this.isChanged ? "your boxes" : "boxes as screened";
    } catch (error) {
      if (signal.aborted) throw error;
      this.layers = await stored(uid, Object.keys(views), signal);
      if (!Object.keys(this.layers).length) throw error;
      this.source = "FIRST RESULT, not your boxes";
      say(`Grad-CAM is that of the first result: ${error.message}`, true);
    }
  }

  failed(error) {
    this.source = "not there";
    say(`No Grad-CAM layer: ${error.message}; osteolens process --explain writes that of the first result`, true);
  }

  text(view) {
    if (!this.wanted) return "";
    if (this.waiting) return "Grad-CAM: being made…";
    return `Grad-CAM: ${this.source && !this.layers[view] && this.source !== "not there" ? "none of this view" : this.source}`;
  }
}

async function stored(uid, views, signal) {
  const layers = await Promise.all(views.map((view) => api.storedHeat(uid, view, signal)));
  return Object.fromEntries(views.map((view, k) => [view, layers[k]]).filter(([, layer]) => layer));
}
