// The pages after the first one of a coil report: cameras, gaps, and the defects along the strip.

import { NOVEL } from "./classes.js";
import { byId, fillTable, make, metres, number, percent, positionFaultsText } from "./dom.js";

const [ROWS_MAX, STRETCHES_MAX] = [240, 120]; // about two printed pages
const STEPS_MM = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((metre) => 1000 * metre);
const CLASSES_MAX = 4;

export function showList(report, every) {
  const { coil, map } = report;
  showCameras(coil);
  showGaps(coil);
  const defects = defectsOf(coil, map);
  const listed = every || defects.length <= ROWS_MAX;
  if (listed) fillTable(byId("defects"), DEFECT, defects.map((defect, key) => ({ ...defect, key })));
  else showStretches(defects);
  byId("defects").parentElement.classList.toggle("columns", listed);
  byId("defects-note").textContent = noteOf(coil, defects.length, listed);
}

// The map has the last 3,000 defects, the summary the first 1,000.
function defectsOf(coil, map) {
  const marks = map.marks.filter((mark) => map.labels[mark[1]] !== NOVEL);
  if (marks.length < coil.strip_defects.length) {
    return coil.strip_defects.map((one) => ({ start: one.strip_mm.start, end: one.strip_mm.end, label: one.label, camera: one.camera, score: one.score }));
  }
  return marks.map(([lane, label, start, end, , , score]) => ({ start, end, label: map.labels[label], camera: map.lanes[lane].camera, score }));
}

const DEFECT = [
  { name: "From", cell: (one) => metres(one.start, 2) },
  { name: "To", cell: (one) => metres(one.end, 2) },
  { name: "Class", text: true, cell: (one) => one.label },
  { name: "Camera", text: true, cell: (one) => one.camera },
  { name: "Score", cell: (one) => percent(one.score) },
];

const STRETCH = [
  { name: "Strip", head: true, cell: (one) => `${number(one.start / 1000)}–${number(one.end / 1000)} m` },
  { name: "Defects", cell: (one) => number(one.defects) },
  { name: "By class", text: true, cell: (one) => one.classes },
  { name: "Cameras", cell: (one) => number(one.cameras) },
  { name: "Best score", cell: (one) => percent(one.score) },
];

function showStretches(defects) {
  const steps = STEPS_MM.map((mm) => stretches(defects, mm));
  fillTable(byId("defects"), STRETCH, steps.find((rows) => rows.length <= STRETCHES_MAX) ?? steps.at(-1));
}

function stretches(defects, mm) {
  const groups = new Map();
  for (const one of defects) {
    const at = Math.floor(one.start / mm);
    if (!groups.has(at)) groups.set(at, []);
    groups.get(at).push(one);
  }
  return [...groups].sort((a, b) => a[0] - b[0]).map(([at, found]) => ({
    key: `${mm}:${at}`,
    start: at * mm,
    end: (at + 1) * mm,
    defects: found.length,
    classes: classesOf(found),
    cameras: new Set(found.map((one) => one.camera)).size,
    score: Math.max(...found.map((one) => one.score)),
  }));
}

function classesOf(found) {
  const counts = new Map();
  for (const { label } of found) counts.set(label, (counts.get(label) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const rest = sorted.length - CLASSES_MAX;
  const text = sorted.slice(0, CLASSES_MAX).map(([label, count]) => `${label} ${count}`).join(", ");
  return rest > 0 ? `${text} and ${rest} more` : text;
}

function noteOf(coil, known, listed) {
  const total = coil.strip_defects_total;
  if (total === 0) return "No defects with a known strip position.";
  const missing = total > known ? ` ${number(total - known)} others are included in every count, but not listed.` : "";
  if (listed) return `${number(known)} with a known strip position, in order of position.${missing}`;
  return `${number(known)} with a known strip position, added up by stretches of the strip.${missing}`;
}

function showCameras(coil) {
  fillTable(byId("cameras"), [
    { name: "Camera", head: true, cell: (row) => row.key },
    { name: "Inspected", cell: (row) => number(row.frames.inspected) },
    { name: "Rejected", cell: (row) => number(row.frames.rejected) },
    { name: "Skipped", cell: (row) => number(row.frames.skipped) },
    { name: "Not covered", cell: (row) => metres(row.uncovered_mm, 3) },
    { name: "Positions", text: true, cell: (row) => positionFaultsText(row.position_faults) || "plausible" },
  ], Object.entries(coil.cameras).map(([key, camera]) => ({ ...camera, key })));
}

function showGaps(coil) {
  const total = coil.gaps_total;
  byId("gaps-note").textContent = gapsText(coil, total);
  byId("gaps").replaceChildren(...coil.gaps.map((gap) => make("li", "", `${metres(gap.start, 2)} to ${metres(gap.end, 2)} (${metres(gap.end - gap.start, 2)})`)));
  byId("gaps").hidden = total === 0;
}

function gapsText(coil, total) {
  if (coil.uncovered_mm === null) return "Unknown, because the position or the scale of the frames is unknown.";
  if (total === 0) return "The strip was inspected without gaps between the first and the last frame.";
  if (coil.gaps.length < total) return `The longest ${number(coil.gaps.length)} of ${number(total)} gaps, longest first.`;
  return `${number(total)} ${total === 1 ? "gap" : "gaps"}, longest first.`;
}
