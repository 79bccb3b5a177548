// Small helpers. Everything that comes from an event is shown as text, never as HTML.

export const byId = (id) => document.getElementById(id);

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== "") element.textContent = text;
  return element;
}

export const number = (value) => (value ?? 0).toLocaleString("en-GB");
// Return the length of a bar in percent, by the logarithm: 1,600 must not look like 16, but both must be visible.
export const level = (value) => Math.min(100, (100 * Math.log10(1 + (value ?? 0))) / Math.log10(10001));
export const metres = (mm, digits = 1) => (mm === null || mm === undefined ? "–" : `${(mm / 1000).toFixed(digits)} m`);

// Return a speed in metres per second, which is negative while the strip runs tail first; "" if it is not known.
export function speedText(mps) {
  if (mps === null || mps === undefined) return "";
  return `${Math.abs(mps).toFixed(2)} m/s${mps < 0 ? " in reverse" : ""}`;
}

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

export const coilName = (row) => row.coil ?? "unnamed";
export const coilTitle = (row) => (row.coil ? `Coil ${row.coil}` : "Unnamed coil");
export const coilPhrase = (row) => (row.coil ? `coil ${row.coil}` : "the unnamed coil");
// The address of a report names the coil's time too, so that the coil is found on Kafka when the page has forgotten it.
export function reportAddress(row) {
  const known = { id: row.id, line: row.line, name: row.coil, from: row.first_captured_at, to: row.last_captured_at };
  return `/report?${new URLSearchParams(Object.entries(known).filter(([, value]) => value))}`;
}

export const lineName = (name) => name || "unnamed line";

// Return the key of a camera's setting as it is written in the settings file.
export const cameraSetting = (camera, name) => `cameras.${/^[\w-]+$/.test(camera) ? camera : JSON.stringify(camera)}.${name}`;

// Return the heading of a line and its coil, either of which may have no name.
export function lineTitle(name, row) {
  if (!row) return name || "Unnamed line";
  if (!name && !row.coil) return "Unnamed line and coil";
  return `${name || "Unnamed line"} · ${row.coil ? `coil ${row.coil}` : "unnamed coil"}`;
}

export function clockTime(value) {
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? "–" : time.toLocaleTimeString("en-GB");
}

export function dateTime(value) {
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? "–" : time.toLocaleString("en-GB");
}

// Return "since TIME", with the date unless both times are on the same day.
export function sinceText(sinceMs, nowMs) {
  if (!sinceMs) return "";
  const [since, now] = [new Date(sinceMs), new Date(nowMs)];
  const clock = since.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (since.toDateString() === now.toDateString()) return `since ${clock}`;
  return `since ${since.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clock}`;
}

export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 3) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

// Fill a table from rows with a `key` and columns [{name, head?, text?, cell(row) -> string, mark?(row) -> class}]. A
// column with head names the row. A column with node(row) -> element creates its element once per row. Existing rows are
// updated in place: a click on a row that was replaced between press and release would be lost.
export function fillTable(table, columns, rows, rowClass = () => "") {
  fillGroups(table, columns, [{ key: "", rows }], rowClass);
}

// Fill a table from groups [{key, heading?, rows}]. Each group is a table body; its heading is a text, shown above its
// rows.
export function fillGroups(table, columns, groups, rowClass = () => "") {
  const names = columns.map((column) => column.name).join("\n");
  if (table.dataset.names !== names) {
    table.dataset.names = names;
    table.setAttribute("role", "table"); // a narrow screen shows rows as blocks, which have no roles otherwise
    table.replaceChildren(makeHead(columns));
  }
  const known = new Map([...table.tBodies].map((body) => [body.dataset.key, body]));
  groups.forEach((group, at) => {
    const body = known.get(group.key) ?? makeBody(group.key);
    known.delete(group.key);
    if (table.tBodies[at] !== body) table.insertBefore(body, table.tBodies[at] ?? null);
    fillBody(body, columns, group, rowClass);
  });
  for (const body of known.values()) body.remove();
}

function fillBody(body, columns, group, rowClass) {
  const offset = group.heading ? 1 : 0;
  if (group.heading) showHeading(body, columns.length, group.heading);
  else body.querySelector("tr.group")?.remove();
  const lines = [...body.rows].slice(offset);
  const known = new Map(lines.map((line) => [line.dataset.key, line]));
  group.rows.forEach((row, at) => {
    const key = String(row.key);
    const line = known.get(key) ?? makeRow(columns, row, key);
    known.delete(key);
    if (body.rows[at + offset] !== line) body.insertBefore(line, body.rows[at + offset] ?? null);
    fillRow(line, columns, row, rowClass(row));
  });
  for (const line of known.values()) line.remove();
}

const withRole = (element, role) => {
  element.setAttribute("role", role);
  return element;
};

function makeBody(key) {
  const body = withRole(make("tbody"), "rowgroup");
  body.dataset.key = key;
  return body;
}

function showHeading(body, width, text) {
  if (!body.rows[0]?.classList.contains("group")) {
    const line = withRole(make("tr", "group"), "row");
    const cell = withRole(line.appendChild(make("th")), "rowheader");
    cell.scope = "rowgroup";
    body.prepend(line);
  }
  const cell = body.rows[0].cells[0];
  cell.colSpan = width;
  if (cell.textContent !== text) cell.textContent = text;
}

function makeHead(columns) {
  const head = withRole(make("thead"), "rowgroup");
  const line = withRole(head.appendChild(make("tr")), "row");
  for (const column of columns) {
    const cell = withRole(line.appendChild(make(column.name ? "th" : "td", column.text || column.head ? "text" : "", column.name)), column.name ? "columnheader" : "cell");
    if (column.name) cell.scope = "col";
  }
  return head;
}

function makeRow(columns, row, key) {
  const line = withRole(make("tr"), "row");
  line.dataset.key = key;
  for (const column of columns) {
    const cell = withRole(line.appendChild(make(column.head ? "th" : "td")), column.head ? "rowheader" : "cell");
    if (column.head) cell.scope = "row";
    cell.dataset.label = column.name;
    if (column.node) {
      if (column.text) cell.className = "text";
      cell.append(column.node(row));
    }
  }
  return line;
}

function fillRow(line, columns, row, className) {
  line.className = className;
  columns.forEach((column, at) => {
    if (column.node) return;
    const cell = line.cells[at];
    const value = column.cell(row);
    cell.className = [column.text || column.head ? "text" : "", column.mark?.(row) ?? ""].join(" ").trim();
    if (cell.textContent !== value) cell.textContent = value;
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
