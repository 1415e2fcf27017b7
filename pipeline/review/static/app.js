// The page: worklist or study by the address after the #.

import * as api from "./api.js";
import { h, say } from "./dom.js";
import { showHelp, typing } from "./keys.js";
import { StudyPage } from "./study.js";
import { Worklist } from "./worklist.js";

const main = document.getElementById("main");
const open = (uid) => { location.hash = `#/study/${encodeURIComponent(uid)}`; };
const back = () => { location.hash = "#/"; };

let worklist = null;
let page = null;

function modes(mode) {
  const said = [
    mode.reader && `Reader ${mode.reader}`,
    mode.reader_study && "reader study",
    mode.blind && "blind to other readers",
    mode.hidden_predictions && "predictions hidden",
  ].filter(Boolean);
  document.getElementById("mode").replaceChildren(...said.map((text) => h("span", { class: "tag" }, text)));
}

async function show() {
  const asked = /^#\/study\/(.+)$/.exec(location.hash);
  page?.unmount();
  page = null;
  if (!asked) {
    page = worklist;
    worklist.mount(main);
    return;
  }
  let uid;
  try {
    uid = decodeURIComponent(asked[1]);
  } catch {
    back();
    return;
  }
  worklist.opened(uid);
  const study = new StudyPage(uid, worklist, { open, back });
  page = study;
  await study.mount(main);
}

document.getElementById("help-button").addEventListener("click", showHelp);
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !typing(event)) {
    event.preventDefault();
    showHelp();
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

try {
  worklist = new Worklist(await api.worklist(), open);
  modes(worklist.mode);
  window.addEventListener("hashchange", () => show().catch((error) => say(error.message, true)));
  await show();
} catch (error) {
  main.replaceChildren(h("p", { class: "nothing" }, `The worklist cannot be shown: ${error.message}.`));
}
