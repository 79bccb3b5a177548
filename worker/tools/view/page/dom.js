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

// A table from columns [{name, text?, cell(row) -> string | Node, mark?(row) -> class}].
export function fillTable(table, columns, rows, rowClass = () => "") {
  const head = make("thead");
  const names = head.appendChild(make("tr"));
  for (const column of columns) {
    const cell = names.appendChild(make("th", column.text ? "text" : "", column.name));
    cell.scope = "col";
  }
  const body = make("tbody");
  for (const row of rows) {
    const line = body.appendChild(make("tr", rowClass(row)));
    for (const column of columns) {
      const cell = line.appendChild(make("td", [column.text ? "text" : "", column.mark?.(row) ?? ""].join(" ").trim()));
      const value = column.cell(row);
      if (value instanceof Node) cell.append(value);
      else cell.textContent = value;
      if (column.text && !(value instanceof Node)) cell.title = value;
    }
  }
  table.replaceChildren(head, body);
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
