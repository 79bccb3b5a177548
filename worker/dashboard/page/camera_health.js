// The health of a camera: one word with a colour in the table, and a dialog with what to do and the figures of the worker.

import { ago, byId, fillFacts, make, sinceText } from "./dom.js";

const buttons = new Map(); // key of a row -> its button
const health = new Map(); // key of a row -> { camera, line, now_ms, health }
let open = "";

// Return the text of a cell, such as "dark since 12:03".
function summary({ health: { word, since_ms }, now_ms }) {
  if (word === "unknown") return `unknown, last heard ${ago(now_ms - since_ms)}`;
  if (word === "ok" || !since_ms) return word;
  return `${word} ${sinceText(since_ms, now_ms)}`;
}

export function healthButton(key) {
  const button = make("button", "health");
  button.type = "button";
  button.addEventListener("click", () => show(key));
  buttons.set(key, button);
  return button;
}

export function updateHealth(key, entry) {
  health.set(key, entry);
  const button = buttons.get(key);
  if (!button) return;
  const text = summary(entry) + (entry.health.more.length ? `, ${entry.health.more.join(", ")}` : "");
  if (button.textContent !== text) button.textContent = text;
  button.dataset.kind = entry.health.kind;
  button.title = entry.health.advice;
  if (key === open && byId("camera").open) fill(key);
}

function show(key) {
  open = key;
  fill(key);
  byId("camera").showModal();
}

function fill(key) {
  const entry = health.get(key);
  const { health: found, camera, line, now_ms } = entry;
  byId("camera-title").textContent = `Camera ${camera}`;
  byId("camera-word").textContent = [summary(entry), ...found.more].join(", ");
  byId("camera-word").dataset.kind = found.kind;
  byId("camera-advice").textContent = found.advice;
  fillFacts(byId("camera-facts"), [
    ["Line", line || "unnamed line"],
    ["Since", found.since_ms ? `${new Date(found.since_ms).toLocaleString("en-GB")} (${ago(now_ms - found.since_ms)})` : "not known"],
    ...found.facts,
  ]);
}

export function startHealth() {
  byId("camera-close").addEventListener("click", () => byId("camera").close());
}
