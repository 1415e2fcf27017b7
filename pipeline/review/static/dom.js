// Elements from plain values. Text is always a text node: nothing that a study says is read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function say(text, bad = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("bad", bad);
  status.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => status.classList.remove("shown"), bad ? 12000 : 4000);
}

export const percent = (probability) => `${Math.round(100 * probability)} %`;

export const signed = (value) =>
  value === null || value === undefined ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

export const words = (code) => String(code).replaceAll("_", " ");

export const CLASSES = ["normal", "osteopenia", "osteoporosis"];

// One bar of three probabilities; the words say what the colours say.
export function probabilityBar(probabilities, name = "") {
  if (!probabilities) return h("span", { class: "none" }, "no class");
  const text = CLASSES.map((key) => `${key} ${percent(probabilities[key])}`).join(", ");
  const parts = CLASSES.map((key) => {
    const part = h("span", { class: `part ${key}` }, probabilities[key] >= 0.17 ? percent(probabilities[key]) : "");
    part.style.width = `${100 * probabilities[key]}%`;
    return part;
  });
  return h("span", { class: "bar", role: "img", "aria-label": name + text, title: text }, parts);
}

export function classBadge(name) {
  return name ? h("span", { class: `badge ${name}` }, name) : h("span", { class: "none" }, "–");
}
