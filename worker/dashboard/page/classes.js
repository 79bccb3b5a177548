// The defect classes and the novel frames: their colours, and the filter of what is shown.

import { amount } from "./coil_state.js";
import { byId, level, make, number } from "./dom.js";

const COLOURS = 8;
export const NOVEL = "\u0000novel"; // in place of a class, as in the strip map of the server; no class is unprintable
const order = new Map(); // label -> number, in the order of first appearance
const hidden = new Set();
const listeners = new Set();
const rows = new Map();

export const classColour = (label) => label === NOVEL ? "novel" : `class-${(order.get(label) ?? 0) % COLOURS}`;
export const isShown = (label) => !hidden.has(label);
const nameOf = (label) => (label === NOVEL ? "novel frame" : label);
export const labels = () => [...order.keys()];

export function onFilter(listener) {
  listeners.add(listener);
}

// Number labels that are new. `numbers` are those assigned by the server; without them, the next free numbers are used.
export function learn(names, numbers = []) {
  names.forEach((name, at) => {
    if (name !== NOVEL && !order.has(name)) order.set(name, numbers[at] ?? order.size);
  });
}

// Return an entry of a legend.
export function withSwatch(label) {
  const entry = make("span");
  entry.appendChild(make("span", "swatch")).style.background = `var(--${classColour(label)})`;
  entry.append(nameOf(label));
  return entry;
}

function changed() {
  for (const [label, row] of rows) row.input.checked = !hidden.has(label);
  byId("all-classes").disabled = hidden.size === 0;
  for (const listener of listeners) listener();
}

function addRow(label) {
  const row = make("label");
  const input = row.appendChild(make("input"));
  input.type = "checkbox";
  input.checked = true;
  const swatch = row.appendChild(make("span", "swatch"));
  swatch.style.setProperty("--class", `var(--${classColour(label)})`);
  const name = row.appendChild(make("span", "name", nameOf(label)));
  name.title = label === NOVEL ? "Frames unlike anything that the model was trained on" : label;
  const count = row.appendChild(make("span", "count"));
  input.addEventListener("change", () => {
    if (input.checked) hidden.delete(label);
    else hidden.add(label);
    changed();
  });
  const rate = row.appendChild(make("span", "rate"));
  rate.style.setProperty("--class", `var(--${classColour(label)})`);
  const bar = rate.appendChild(make("progress"));
  bar.max = 100;
  bar.setAttribute("aria-label", `Rate of ${nameOf(label)}, logarithmic`);
  const text = rate.appendChild(make("span"));
  byId("classes").append(row);
  rows.set(label, { input, count, rate, bar, text });
}

export function showClasses({ labels: counts, running, unknown_labels: unknown }) {
  learn(Object.keys(counts));
  const newest = [...new Map(running.map((coil) => [coil.line, coil])).values()]; // of each line: the server sends it last
  for (const label of [...order.keys(), ...(NOVEL in counts ? [NOVEL] : [])]) {
    if (!rows.has(label)) addRow(label);
    const row = rows.get(label);
    row.count.textContent = number(counts[label]);
    showRate(row, label, newest);
  }
  byId("unknown-classes").textContent = unknown.length ? `The settings severity or limits name classes that no model has: ${unknown.join(", ")}.` : "";
  byId("no-classes").hidden = rows.size > 0;
}

// Show the highest rate of a class in the running coils: the figure that the limits are for.
function showRate({ rate, bar, text }, label, running) {
  const coils = running.filter((coil) => label in coil.rates);
  const worst = coils.reduce((most, coil) => (most && most.rates[label] >= coil.rates[label] ? most : coil), null);
  rate.hidden = worst === null;
  if (!worst) return;
  const value = worst.rates[label];
  const unit = worst.rate_unit === "frames_per_100_m" ? "frames per 100 m" : "% of frames";
  bar.value = level(value);
  text.textContent = `${amount(value)} ${unit}`;
  const found = worst.exceeded.find((each) => each.label === label);
  text.className = found ? (found.state === "alarm" ? "bad" : "warn") : "";
}

export function startClasses() {
  byId("all-classes").addEventListener("click", () => {
    hidden.clear();
    changed();
  });
  byId("all-classes").disabled = true;
}
