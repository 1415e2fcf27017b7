// What the server says and is told; paths and bodies in one place.

export class Refused extends Error {}

async function answer(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("the server does not answer; is osteolens review still running?");
  }
  if (response.ok) return response;
  let detail = `the server answered ${response.status}`;
  try {
    const body = await response.json();
    const said = body.detail ?? body.error;
    if (typeof said === "string" && said) detail = said;
  } catch { /* the number says what is known */ }
  const refused = new Refused(detail);
  refused.status = response.status;
  throw refused;
}

const post = (path, body, options = {}) =>
  answer(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), ...options });

const ofStudy = (uid) => `/api/study/${encodeURIComponent(uid)}`;
export const ofView = (uid, view, what) => `${ofStudy(uid)}/${encodeURIComponent(view)}/${what}`;

export const worklist = async () => (await answer("/api/worklist")).json();

const underWay = new Map();

// A study that is opened again while its corrections are still being saved waits for them.
export async function study(uid) {
  await underWay.get(uid);
  return (await answer(ofStudy(uid))).json();
}

// Images of another study of the patient, which is not read by that.
export const films = async (uid) => (await answer(`${ofStudy(uid)}/films`)).json();

export function save(uid, body, leaving = false) {
  const saved = post(`${ofStudy(uid)}/corrections`, body, { keepalive: leaving }).then((response) => response.json());
  const done = saved.then(() => {}, () => {}).then(() => underWay.get(uid) === done && underWay.delete(uid));
  underWay.set(uid, done);
  return saved;
}

export async function classify(uid, body, signal) {
  return (await post(`${ofStudy(uid)}/classify`, body, { signal })).json();
}

export async function bodies(uid, body, signal) {
  return (await post(`${ofStudy(uid)}/bodies`, body, { signal })).json();
}

const picture = (bytes) => createImageBitmap(new Blob([bytes], { type: "image/png" }));

// Grad-CAM on other boxes: a picture of each view that is classified on.
export async function heat(uid, body, signal) {
  const { views } = await (await post(`${ofStudy(uid)}/heat`, body, { signal })).json();
  const layers = Object.entries(views).map(async ([view, text]) => [view, await picture(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))]);
  return Object.fromEntries(await Promise.all(layers));
}

// The same of the first result, null where it was not stored.
export async function storedHeat(uid, view, signal) {
  const response = await answer(ofView(uid, view, "heat"), { signal });
  return response.status === 204 ? null : picture(await response.arrayBuffer());
}

// Greys as read, 0..65535, row by row; `most` bounds the longer side.
async function fetchPixels(uid, view, most) {
  const response = await answer(ofView(uid, view, `image?raw=1${most ? `&max=${most}` : ""}`));
  const rows = Number(response.headers.get("X-Rows"));
  const columns = Number(response.headers.get("X-Columns"));
  const greys = new Uint16Array(await response.arrayBuffer());
  if (!(rows > 0) || greys.length !== rows * columns) throw new Refused(`the ${view} image came incomplete`);
  return { rows, columns, greys };
}

const SIDES = [768, 1024, 1536, 2048, 3072, 4096];
const KEPT = 8;
const kept = new Map();

// Longest side that an image has on this screen, with both views beside each other.
function screenSide() {
  const wanted = Math.min(0.9 * innerHeight, 0.7 * innerWidth) * devicePixelRatio;
  return SIDES.find((side) => side >= wanted) ?? SIDES.at(-1);
}

// The image at screen size; the last few are kept, so that the next study of the list is there before it is opened.
export function pixels(uid, view) {
  const key = `${uid} ${view}`;
  let promise = kept.get(key);
  kept.delete(key);
  if (!promise) {
    promise = fetchPixels(uid, view, screenSide());
    promise.catch(() => kept.delete(key));
  }
  kept.set(key, promise);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return promise;
}

export const fullPixels = (uid, view) => fetchPixels(uid, view, null);
