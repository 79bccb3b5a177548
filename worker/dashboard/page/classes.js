// The defect classes: their colours, and the filter of the classes shown.

import { byId, make, number } from "./dom.js";

const COLOURS = 8;
const order = new Map(); // label -> number, in the order of first appearance
const hidden = new Set();
const listeners = new Set();
const rows = new Map();

export const classColour = (label) => `class-${(order.get(label) ?? 0) % COLOURS}`;
export const isShown = (label) => !hidden.has(label);
export const labels = () => [...order.keys()];

export function onFilter(listener) {
  listeners.add(listener);
}

// Number labels that are new. `numbers` are those assigned by the server; without them, the next free numbers are used.
export function learn(names, numbers = []) {
  names.forEach((name, at) => {
    if (!order.has(name)) order.set(name, numbers[at] ?? order.size);
  });
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
  const name = row.appendChild(make("span", "name", label));
  name.title = label;
  const count = row.appendChild(make("span", "count"));
  input.addEventListener("change", () => {
    if (input.checked) hidden.delete(label);
    else hidden.add(label);
    changed();
  });
  byId("classes").append(row);
  rows.set(label, { input, count });
}

export function showClasses(counts) {
  learn(Object.keys(counts));
  for (const label of order.keys()) {
    if (!rows.has(label)) addRow(label);
    rows.get(label).count.textContent = number(counts[label]);
  }
  byId("no-classes").hidden = order.size > 0;
}

export function startClasses() {
  byId("all-classes").addEventListener("click", () => {
    hidden.clear();
    changed();
  });
  byId("all-classes").disabled = true;
}
