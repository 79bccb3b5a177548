// The newest rejected frames: camera, time, reason in plain words, and the picture where it can be decoded. The list is
// fetched only while it is open.

import { byId, coilPhrase, dateTime, make, number } from "./dom.js";

const SHOWN = 24;
let shown = "";
let wanted = "";
let loading = false;
const nodes = new Map();

export function showRejects(state) {
  const [changes, count] = state.rejects;
  byId("rejects-section").hidden = count === 0;
  byId("rejects-count").textContent = count ? `the newest ${number(Math.min(count, SHOWN))}` : "";
  wanted = `${state.run} ${changes}`;
  load();
}

async function load() {
  if (!byId("rejects").open || loading || shown === wanted) return;
  loading = true;
  const asked = wanted;
  try {
    const answer = await fetch("/rejects.json");
    if (answer.ok) {
      render((await answer.json()).slice(0, SHOWN));
      shown = asked;
    }
  } catch {
    // the status bar already reports that the server is unreachable
  } finally {
    loading = false;
  }
}

function render(rejects) {
  const list = byId("reject-list");
  const keys = new Set(rejects.map((reject) => reject.id));
  for (const [key, node] of nodes) {
    if (keys.has(key)) continue;
    node.remove();
    nodes.delete(key);
  }
  rejects.forEach((reject, at) => {
    if (!nodes.has(reject.id)) nodes.set(reject.id, makeItem(reject));
    if (list.children[at] !== nodes.get(reject.id)) list.insertBefore(nodes.get(reject.id), list.children[at] ?? null);
  });
}

function makeItem(reject) {
  const item = make("li");
  item.append(makePicture(reject));
  const text = item.appendChild(make("div", "reject-text"));
  text.append(
    make("p", "reject-camera", `${reject.camera} · ${dateTime(reject.captured_at)}`),
    make("p", "", reject.meaning),
    make("p", "note", reject.detail),
    make("p", "note", `${reject.reason} · ${coilPhrase(reject)}`),
  );
  return item;
}

function makePicture(reject) {
  const pane = make("div", "reject-picture");
  if (!reject.picture) {
    pane.append(make("span", "no-picture", "No picture: the bytes of the frame were not kept."));
    return pane;
  }
  const image = pane.appendChild(make("img", "loading"));
  image.addEventListener("load", () => image.classList.remove("loading"));
  image.alt = `Rejected frame of camera ${reject.camera}, as far as it can be decoded`;
  image.decoding = "async";
  image.loading = "lazy";
  image.addEventListener("error", () => image.replaceWith(make("span", "no-picture", "No picture: the frame cannot be decoded, or is no longer on Kafka.")));
  image.src = `/rejects/${reject.picture}.jpg`;
  return pane;
}

export function startRejects() {
  byId("rejects").addEventListener("toggle", load);
}
