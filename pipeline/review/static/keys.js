// The keyboard: what each key does, and the help that lists the same.

import { h } from "./dom.js";

export const KEYS = [
  ["Studies", [
    ["N", "reviewed; save and open the next study"], ["J", "next study without marking"], ["K", "previous study"],
    ["Esc", "let go of the box or tool, then back to the worklist"],
    ["/", "search the worklist"], ["↑ ↓ Enter", "choose and open a study of the worklist"],
  ]],
  ["Picture", [
    ["W", "drag changes window (across) and level (down)"], ["P", "drag moves the picture; also Shift or the middle button"],
    ["wheel, + −", "zoom"], ["F", "fit to the screen; also a double click"], ["R", "window as at first"],
    ["I", "invert"], ["G", "magnifier"], ["M", "measure: drag a line"],
    ["B", "show or hide boxes"], ["O", "outlines of the bodies in the boxes"],
    ["C", "Grad-CAM: where the classifier looked"],
    ["V", "films of the patient's earlier study beside these"], ["L", "link their zoom, or unlink it"],
  ]],
  ["Boxes", [
    ["Tab", "next box; a click also chooses one"], ["drag", "move by the edge or the name, or anywhere in a chosen box; resize by the dots"],
    ["← ↑ → ↓", "move the chosen box by 1 pixel of the image; Shift: by 10"],
    ["Ctrl ← ↑ → ↓", "move its right or lower edge"],
    ["A", "add a box: drag it"], ["Del", "delete the chosen box"],
    [", .", "rename the chosen box one level up or down"],
    ["[ ]", "shift all names of this view one level up or down"], ["{ }", "the same in every view"],
    ["X", "leave the level out, or take it back in"], ["0 1 2 3", "fracture grade (Genant) of the chosen level"],
    ["E", "not evaluable, or evaluable again"],
    ["Ctrl Z, Ctrl Y", "undo, redo"], ["Ctrl S", "save now (it saves by itself)"],
  ]],
];

export function showHelp() {
  const dialog = document.getElementById("help");
  dialog.replaceChildren(
    h("h2", { id: "help-title" }, "Keys"),
    h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")),
    h("div", { class: "keys" }, KEYS.map(([title, keys]) =>
      h("section", {}, h("h3", {}, title), h("dl", {}, keys.map(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)]))))),
  );
  if (!dialog.open) dialog.showModal();
}

// A word for why: one of `choices` or the reader's own. Resolves to null when nothing was said.
export function askReason(title, choices) {
  const dialog = document.getElementById("reason");
  return new Promise((resolve) => {
    const own = h("input", { type: "text", maxlength: 200, id: "own-reason", autocomplete: "off" });
    const done = (value) => {
      dialog.removeEventListener("close", closed);
      dialog.close();
      resolve(value);
    };
    const closed = () => resolve(null);
    dialog.replaceChildren(
      h("h2", { id: "reason-title" }, title),
      h("div", { class: "choices" }, choices.map((choice) => h("button", { type: "button", onclick: () => done(choice) }, choice))),
      h("form", { onsubmit: (event) => { event.preventDefault(); if (own.value.trim()) done(own.value.trim()); } },
        h("label", { for: "own-reason" }, "or in your words"), own, h("button", { class: "main" }, "Take")),
      h("button", { type: "button", class: "quiet", onclick: () => done(null) }, "Cancel"),
    );
    dialog.addEventListener("close", closed, { once: true });
    dialog.showModal();
  });
}

export const typing = (event) =>
  event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]") !== null;
