// The comparison of shifts: a table, and a chart of the frames with defects.

import { byId, dateTime, fillTable, lineName, make, metres, number } from "./dom.js";
import { learn } from "./classes.js";
import { follow, sentence } from "./search.js";
import { drawShifts } from "./shift_chart.js";

const ALL = "all lines";
let stop = () => {};
let extentRead = () => {};

export function startShifts(listener) {
  extentRead = listener;
  fillLines([]);
  byId("compare").addEventListener("click", compareShifts);
  byId("line").addEventListener("change", compareShifts);
  byId("count").addEventListener("change", compareShifts);
}

export function compareShifts() {
  stop();
  const asked = new URLSearchParams({ count: byId("count").value });
  if (byId("line").value !== ALL) asked.set("line", byId("line").value);
  byId("shifts-csv").href = `/history/shifts.csv?${asked}`;
  byId("shifts-json").href = `/history/shifts.json?${asked}`;
  stop = follow(`/history/shifts?${asked}`, {
    progress: (text) => say(`${text}.`),
    done: show,
    failed: (error) => say(sentence(`The comparison failed: ${error}`)),
  });
}

function say(text) {
  byId("shifts-note").textContent = text;
}

function fillLines(lines) {
  const chosen = byId("line").value || ALL;
  const options = [[ALL, ALL], ...lines.map((line) => [line, lineName(line)])];
  if (!options.some(([value]) => value === chosen)) options.push([chosen, lineName(chosen)]);
  byId("line").replaceChildren(
    ...options.map(([value, name]) => {
      const option = make("option", "", name);
      option.value = value;
      option.selected = value === chosen;
      return option;
    }),
  );
}

function show(found) {
  extentRead(found.kafka);
  fillLines(found.lines);
  const known = found.shifts.filter((shift) => shift.is_complete || shift.coils || shift.is_running);
  const shifts = [...known].reverse().map((shift) => ({ ...shift, key: shift.start }));
  const labels = [...new Set(shifts.flatMap((shift) => Object.keys(shift.defect_frames)))].sort();
  learn(labels);
  say(noteText(found, shifts, found.shifts.length - known.length));
  fillTable(byId("shifts"), columns(labels), shifts);
  drawShifts(byId("chart"), known, labels);
}

function columns(labels) {
  const per = (shift, label) => (shift.defect_frames_per_100_m ? (shift.defect_frames_per_100_m[label] ?? 0).toFixed(2) : "–");
  return [
    { name: "Shift", head: true, cell: shiftName },
    { name: "Coils", cell: (shift) => number(shift.coils) },
    { name: "State", text: true, cell: statesText, mark: (shift) => (shift.states.alarm ? "bad" : shift.states.warning ? "warn" : "") },
    { name: "Length", cell: (shift) => metres(shift.length_mm) },
    { name: "Not covered", cell: (shift) => metres(shift.uncovered_mm) },
    { name: "Frames", cell: (shift) => number(Object.values(shift.frames).reduce((sum, count) => sum + count, 0)) },
    { name: "Rejected", cell: (shift) => number(shift.frames.rejected) },
    { name: "Unsure", cell: (shift) => number(shift.unsure) },
    { name: "Novel", cell: (shift) => number(shift.novel) },
    ...labels.map((label) => ({ name: `${label} per 100 m`, cell: (shift) => per(shift, label) })),
  ];
}

// The times of a shift are those of the plant, as the server states them: 2026-11-23T06:00+01:00.
function shiftName(shift) {
  const [day, start, end] = [shift.start.slice(0, 10), shift.start.slice(11, 16), shift.end.slice(11, 16)];
  const state = shift.is_running ? ", running" : shift.is_complete ? "" : ", incomplete";
  const hours = Number.isInteger(shift.hours) ? shift.hours : shift.hours.toFixed(1);
  return `${day} ${start} to ${end} (${hours} h${state})`;
}

const STATES = ["alarm", "warning", "ok", "none"];
const statesText = (shift) => STATES.filter((state) => shift.states[state]).map((state) => `${number(shift.states[state])} ${state === "none" ? "not graded" : state}`).join(", ") || "–";

function noteText(found, shifts, unknown) {
  const notes = [`Times are in the time zone ${found.time_zone}. A coil counts in the shift in which it ended`];
  if (unknown) notes.push(`${number(unknown)} earlier ${unknown === 1 ? "shift is" : "shifts are"} not on Kafka`);
  if (shifts.some((shift) => !shift.is_complete)) notes.push("An incomplete shift began before the oldest coil that was found");
  if (shifts.some((shift) => shift.coils_without_length)) notes.push("Coils without a known length count in frames only: set cameras.ID.mm_per_px and send ce_strippositionmm");
  if (found.since) notes.push(`Kafka has too many results: only those since ${dateTime(found.since)} were read`);
  if (found.summaries_until) notes.push(`The summaries end at ${dateTime(found.summaries_until)}: check that "stripwatch coils" runs`);
  return `${notes.join(". ")}.`;
}
