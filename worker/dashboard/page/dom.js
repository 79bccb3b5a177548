// Small helpers. Everything that comes from an event is shown as text, never as HTML.

export const byId = (id) => document.getElementById(id);

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== "") element.textContent = text;
  return element;
}

export const number = (value) => (value ?? 0).toLocaleString("en-GB");
export const metres = (mm, digits = 1) => (mm === null || mm === undefined ? "–" : `${(mm / 1000).toFixed(digits)} m`);
export const percent = (share) => `${(100 * share).toFixed(1)} %`;
const FLAGS = {
  damaged: "damaged file",
  bit_depth: "unknown bit depth",
  size: "size differs from training",
  scale: "scale differs from training",
  progressive: "progressive JPEG",
  second_image: "two images in one record",
};

// Describe the flags of frames, which make them unsure regardless of their scores. `flags` maps a flag to its count.
export function flagsText(flags) {
  return Object.entries(flags ?? {}).map(([flag, count]) => `${FLAGS[flag] ?? flag} ${number(count)}`).join(", ");
}

const POSITION_FAULTS = {
  outlier: ["impossible position", "impossible positions"],
  reset: ["encoder reset", "encoder resets"],
  jump: ["impossible jump ahead", "impossible jumps ahead"],
  still: ["frame at an unchanging position", "frames at an unchanging position"],
  reversed: ["frame with an unannounced reversal of the strip", "frames with an unannounced reversal of the strip"],
};

// Describe the position faults of a coil. `faults` maps a kind to its count.
export function positionFaultsText(faults) {
  return Object.entries(faults ?? {}).map(([kind, count]) => `${number(count)} ${POSITION_FAULTS[kind]?.[count === 1 ? 0 : 1] ?? kind}`).join(", ");
}

// The server does not read a topic from its beginning, so the first coil of a line may be incomplete.
export const firstFramesText = (row) => (row.first_frames_unread ? "the first frames may be missing: the page started reading later" : "");

export const coilName = (row) => row.coil ?? "(unnamed)";
export const lineName = (name) => (name ? name : "unnamed line");

export function clockTime(value) {
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? "–" : time.toLocaleTimeString("en-GB");
}

export function dateTime(value) {
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? "–" : time.toLocaleString("en-GB");
}

export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 3) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

// Fill a table from rows with a `key` and columns [{name, text?, cell(row) -> string, mark?(row) -> class}]. A column
// with node(row) -> element creates its element once per row. Existing rows are updated in place: a click on a row that
// was replaced between press and release would be lost.
export function fillTable(table, columns, rows, rowClass = () => "") {
  const names = columns.map((column) => column.name).join("\n");
  if (table.dataset.names !== names) {
    table.dataset.names = names;
    table.replaceChildren(makeHead(columns), make("tbody"));
  }
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((line) => [line.dataset.key, line]));
  rows.forEach((row, at) => {
    const key = String(row.key);
    const line = known.get(key) ?? makeRow(columns, row, key);
    known.delete(key);
    if (body.rows[at] !== line) body.insertBefore(line, body.rows[at] ?? null);
    fillRow(line, columns, row, rowClass(row));
  });
  for (const line of known.values()) line.remove();
}

function makeHead(columns) {
  const head = make("thead");
  const line = head.appendChild(make("tr"));
  for (const column of columns) {
    const cell = line.appendChild(make("th", column.text ? "text" : "", column.name));
    cell.scope = "col";
    cell.title = column.name;
  }
  return head;
}

function makeRow(columns, row, key) {
  const line = make("tr");
  line.dataset.key = key;
  for (const column of columns) {
    const cell = line.appendChild(make("td"));
    if (column.node) cell.append(column.node(row));
  }
  return line;
}

function fillRow(line, columns, row, className) {
  line.className = className;
  columns.forEach((column, at) => {
    if (column.node) return;
    const cell = line.cells[at];
    const value = column.cell(row);
    cell.className = [column.text ? "text" : "", column.mark?.(row) ?? ""].join(" ").trim();
    if (cell.textContent !== value) cell.textContent = value;
    if (column.text && cell.title !== value) cell.title = value;
  });
}

export function fillFacts(list, facts) {
  list.replaceChildren(
    ...facts.map(([name, value]) => {
      const fact = make("div");
      fact.append(make("dt", "", name), make("dd", "", String(value)));
      return fact;
    }),
  );
}
