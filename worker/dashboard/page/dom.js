// Small helpers. Whatever comes from an event reaches the page as text, never as HTML.

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
  size: "size unlike training",
  scale: "scale unlike training",
  progressive: "progressive JPEG",
  second_image: "two images in a record",
};

// Why frames are unsure whatever the model says, from counts by flag.
export function flagsText(flags) {
  return Object.entries(flags ?? {}).map(([flag, count]) => `${FLAGS[flag] ?? flag} ${number(count)}`).join(", ");
}

const POSITION_FAULTS = {
  outlier: ["position that cannot be true", "positions that cannot be true"],
  reset: ["change of the encoder", "changes of the encoder"],
  jump: ["jump ahead that no strip can make", "jumps ahead that no strip can make"],
  still: ["frame at one position throughout", "frames at one position throughout"],
  reversed: ["frame of a strip that ran backwards unannounced", "frames of a strip that ran backwards unannounced"],
};

// What is wrong with the positions of a coil, from counts by kind.
export function positionFaultsText(faults) {
  return Object.entries(faults ?? {}).map(([kind, count]) => `${number(count)} ${POSITION_FAULTS[kind]?.[count === 1 ? 0 : 1] ?? kind}`).join(", ");
}

// Of the first coil that the page's server has read of a line: it does not read a topic from its beginning.
export const firstFramesText = (row) => (row.first_frames_unread ? "its first frames may be missing here: the page was started later" : "");

export const coilName = (row) => row.coil ?? "without a coil";
export const lineName = (name) => (name ? name : "line without a name");

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

// A table of rows with a `key`, from columns [{name, text?, cell(row) -> string, mark?(row) -> class}], or with
// node(row) -> element, made once for each row. Rows stay where they are while they are brought up to date: one that was
// replaced under a finger would swallow the click.
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
