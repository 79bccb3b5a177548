// The table of coils: first the running ones, then those that have ended, newest first.

import { byId, clockTime, coilName, coilPhrase, fillGroups, firstFramesText, make, metres, number, positionFaultsText, reportAddress, speedText } from "./dom.js";
import { stateText } from "./coil_state.js";
import { learn } from "./classes.js";

const WHY = { "next-coil": "ended", silence: "ended (no frames)", limit: "cut at the frame limit" };
const CLASSES_LISTED = 8;
let ended = [];
let running = [];
let speeds = new Map(); // by line
let asked = () => {};

export const allCoils = () => [...running].reverse().concat([...ended].reverse());

export function onShow(listener) {
  asked = listener;
}

export function setEnded(rows) {
  ended = rows;
  for (const row of rows) learn(Object.keys(row.defects));
}

export function setRunning(rows, lines) {
  running = rows;
  speeds = new Map(lines.map((line) => [line.line, line.speed_mps]));
}

// chosen: ids of the coils on the maps. lines: names of the lines, in the order in which the page shows them.
export function showCoils(chosen, lines) {
  const rows = allCoils();
  const columns = [
    { name: "Coil", head: true, cell: coilName },
    { name: "State", text: true, cell: stateAndSpeed, mark: (row) => (state(row) === "running" ? "running" : "") },
    { name: "Limits", text: true, cell: stateText, mark: (row) => ({ alarm: "bad", warning: "warn" })[row.state] ?? "" },
    { name: "First frame", cell: (row) => clockTime(row.first_captured_at) },
    { name: "Length", cell: (row) => metres(row.length_mm) },
    { name: "Not covered", cell: (row) => metres(row.uncovered_mm), mark: (row) => mark(row.uncovered_mm, "warn") },
    { name: "Frames", cell: (row) => number(row.frames.inspected + row.frames.skipped + row.frames.rejected) },
    { name: "Rejected", cell: (row) => number(row.frames.rejected), mark: (row) => mark(row.frames.rejected, "bad") },
    { name: "Skipped", cell: (row) => number(row.frames.skipped), mark: (row) => mark(row.frames.skipped, "warn") },
    { name: "Defects", cell: (row) => number(defectsOf(row)), mark: (row) => mark(defectsOf(row), "") },
    ...(rows.some((row) => row.novel) ? [{ name: "Novel", cell: (row) => number(row.novel), mark: (row) => mark(row.novel, "") }] : []),
    { name: "By class", text: true, cell: byClass, mark: () => "long" },
    ...(rows.some(doubts) ? [{ name: "Warnings", text: true, cell: doubts, mark: () => "bad long" }] : []),
    { name: "Worst defect", text: true, cell: worst },
    { name: "", node: actions },
  ];
  fillGroups(byId("coils"), columns, groups(rows, lines), (row) => (chosen.has(row.id) ? "shown" : ""));
}

// Group the coils by line, in the order of the lines above.
function groups(rows, lines) {
  const names = new Set([...lines, ...rows.map((row) => row.line ?? "")].filter((name) => rows.some((row) => (row.line ?? "") === name)));
  return [...names].map((name) => ({
    key: name,
    heading: names.size > 1 ? name || "Unnamed line" : "",
    rows: rows.filter((row) => (row.line ?? "") === name).map((row) => ({ ...row, key: row.id })),
  }));
}

function state(row) {
  if (row.supplement) return "late frames";
  if (row.ended) return WHY[row.ended] + (row.revision > 1 ? ", corrected" : "");
  return isNewest(row) ? "running" : "waiting for late frames";
}

// While a coil runs, the one before it may still get its last results.
const isNewest = (row) => !running.some((other) => other.line === row.line && other.first_captured_at > row.first_captured_at);

// Add the present speed of a running coil, and the mean speed of one that has ended.
function stateAndSpeed(row) {
  const speed = speedText(row.ended ? row.mean_speed_mps : isNewest(row) ? speeds.get(row.line ?? "") : null);
  return speed ? `${state(row)}, ${row.ended ? "mean " : ""}${speed}` : state(row);
}

// List the warnings: incomplete figures, cameras without frames, impossible positions.
function doubts(row) {
  const silent = row.cameras_silent.length ? `no frames from ${row.cameras_silent.join(", ")}` : "";
  return [firstFramesText(row), silent, positionFaultsText(row.position_faults)].filter(Boolean).join("; ");
}

// The worst defect is that of the most severe class, and of those the most certain one.
function worst({ worst: found, severities }) {
  return found ? `${found.label} (${severities[found.label] ?? "–"}) at ${metres(found.strip_mm.start)}` : "–";
}

const defectsOf = (row) => Object.values(row.defects).reduce((sum, count) => sum + count, 0);

// List the counts of the classes, the most frequent first. There may be dozens of classes, so they are no columns.
function byClass(row) {
  const counts = Object.entries(row.defects).filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
  const rest = counts.length - CLASSES_LISTED;
  const listed = counts.slice(0, CLASSES_LISTED).map(([label, count]) => `${label} ${number(count)}`).join(", ");
  return rest > 0 ? `${listed} and ${rest} more` : listed || "–";
}

const mark = (value, name) => (value ? name : value === 0 || value === undefined ? "zero" : "");

function actions(row) {
  const cell = make("span");
  const show = cell.appendChild(make("button", "quiet", "Map"));
  show.type = "button";
  show.setAttribute("aria-label", `Show ${coilPhrase(row)} on the map`);
  show.addEventListener("click", () => asked(row));
  const report = make("a", "", "Report");
  report.href = reportAddress(row);
  report.setAttribute("aria-label", `Report of ${coilPhrase(row)}`);
  cell.append(" ", report);
  return cell;
}
