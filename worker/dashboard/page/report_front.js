// The first page of a coil report: what decides about the coil, and the signature.

import { byId, coilTitle, dateTime, fillFacts, fillTable, firstFramesText, flagsText, lineName, make, metres, number, percent, positionFaultsText } from "./dom.js";
import { learn, NOVEL, withSwatch } from "./classes.js";
import { limitText, reason, stateMark } from "./coil_state.js";
import { StripMap } from "./map.js";
import { seriousDefect } from "./report_picture.js";

const ENDED = { "next-coil": "ended: the next coil started", silence: "ended: no more frames arrived", limit: "cut at the maximum number of frames" };
const [REASONS_MAX, CLASSES_MAX, MODELS_MAX, NOTES_MAX] = [3, 8, 3, 4];
const MAP_PX = 190;
const SEVERITIES = ["critical", "major", "minor"];
let map = null;

export function showFront(report) {
  const coil = report.coil;
  byId("title").textContent = coilTitle(coil);
  document.title = `${coilTitle(coil)} – report`;
  byId("subtitle").textContent = subtitle(coil);
  showState(coil);
  fillList(byId("notes"), notesOf(report), NOTES_MAX);
  fillFacts(byId("facts"), factsOf(coil));
  showMap(report);
  showClasses(coil);
  fillFacts(byId("coverage"), coverageOf(coil));
  showModels(report.models);
  showSerious(report.most_serious);
}

function subtitle(coil) {
  const times = coil.revision === 2 ? "once" : `${number(coil.revision - 1)} times`;
  const corrected = coil.revision > 1 ? ` · corrected ${times} by late frames` : "";
  return `${lineName(coil.line)} · ${dateTime(coil.first_captured_at)} to ${dateTime(coil.last_captured_at)} · ${coil.ended ? ENDED[coil.ended] : "running"}${corrected}`;
}

function showState(coil) {
  byId("state").hidden = false;
  byId("state").dataset.state = stateMark(coil);
  byId("state").textContent = coil.state ? stateMark(coil) || "no limit" : "not graded";
  const reasons = coil.exceeded.map((each) => `${reason(each)} (${limitText(each)})`);
  const labels = coil.without_limit;
  fillList(byId("reasons"), [...reasons, ...(labels.length ? [`no limit for ${listed(labels)}`] : [])], REASONS_MAX);
}

// Fill a list with texts. The page has room for some of them.
function fillList(list, texts, most) {
  const shown = texts.length > most ? [...texts.slice(0, most - 1), `${texts.length - most + 1} more: see the JSON`] : texts;
  list.replaceChildren(...shown.map((text) => make("li", "", text)));
  list.hidden = shown.length === 0;
}

function notesOf({ coil, notes, first_frames_unread }) {
  const withoutScale = Object.entries(coil.cameras).filter(([, camera]) => camera.frames.inspected && camera.uncovered_mm === null).map(([name]) => name);
  return [
    ...(coil.supplement ? ["These frames arrived too late to correct the summary of their coil. Add their figures to those of the coil."] : []),
    ...(first_frames_unread ? [`${firstFramesText({ first_frames_unread }).replace(/^./, (first) => first.toUpperCase())}.`] : []),
    ...notes,
    ...(coil.length_mm === null ? ["The length is unknown: the frames carry no strip position (header ce_strippositionmm)."] : []),
    ...(coil.length_mm !== null && withoutScale.length ? [`The coverage is incomplete: the setting cameras.ID.mm_per_px is missing for ${listed(withoutScale)}.`] : []),
    ...(coil.cameras_silent.length ? [`No frames from ${listed(coil.cameras_silent)}.`] : []),
    ...(Object.keys(coil.position_faults).length ? [`Positions: ${positionFaultsText(coil.position_faults)}.`] : []),
  ];
}

const listed = (names) => (names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", "));
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

function factsOf(coil) {
  const defects = sum(coil.defects);
  const seconds = (new Date(coil.last_captured_at) - new Date(coil.first_captured_at)) / 1000;
  const speed = coil.length_mm && seconds > 0 ? `${((60 * coil.length_mm) / 1000 / seconds).toFixed(0)} m/min` : "–";
  return [
    ["Length", metres(coil.length_mm, 3)],
    ["Duration", duration(seconds)],
    ["Average speed", speed],
    ["Defects", number(defects)],
    ["Per 100 m", coil.length_mm ? ((1e5 * defects) / coil.length_mm).toFixed(1) : "–"],
    ["Frames", number(sum(coil.frames))],
    ["Cameras", number(Object.keys(coil.cameras).length)],
  ];
}

function duration(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round(seconds % 60)];
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

function coverageOf(coil) {
  const share = (mm) => (coil.length_mm && mm !== null ? ` (${percent(mm / coil.length_mm)})` : "");
  const frames = sum(coil.frames);
  const of = (count, all) => `${number(count)}${all ? ` (${percent(count / all)})` : ""}`;
  return [
    ["Not covered", `${metres(coil.uncovered_mm, 3)}${share(coil.uncovered_mm)}`],
    ["Not by all cameras", `${metres(coil.partly_uncovered_mm, 3)}${share(coil.partly_uncovered_mm)}`],
    ["Rejected", of(coil.frames.rejected, frames)],
    ["Skipped", of(coil.frames.skipped, frames)],
    ["Unsure", of(coil.verdicts.unsure ?? 0, coil.frames.inspected)],
    ["Novel", of(coil.novel ?? 0, coil.frames.inspected)],
    ["Flagged", coil.flagged ? `${number(coil.flagged)}: ${flagsText(coil.flags)}` : "0"],
  ];
}

function showMap(report) {
  learn(report.map.labels, report.map.label_numbers);
  map ??= new StripMap(byId("map"), { still: true, heightPx: MAP_PX });
  map.show(report.map, !report.coil.ended);
  byId("legend").replaceChildren(...report.map.labels.filter((label) => label !== NOVEL).slice(0, 2 * CLASSES_MAX).map(withSwatch));
}

function showClasses(coil) {
  const rank = (label) => SEVERITIES.indexOf(coil.severities?.[label] ?? "major");
  const rows = Object.entries(coil.defects).sort((a, b) => rank(a[0]) - rank(b[0]) || b[1] - a[1]);
  const rest = rows.splice(rows.length > CLASSES_MAX ? CLASSES_MAX - 1 : CLASSES_MAX);
  const shown = rows.map(([label, count]) => ({ key: label, label, severity: coil.severities?.[label] ?? "–", count, frames: coil.defect_frames?.[label] }));
  if (rest.length) shown.push({ key: "\n", label: `${rest.length} more classes`, severity: "", count: rest.reduce((total, row) => total + row[1], 0) });
  fillTable(byId("classes"), [
    { name: "Class", head: true, cell: (row) => row.label },
    { name: "Severity", text: true, cell: (row) => row.severity, mark: (row) => (row.severity === "critical" ? "bad" : "") },
    { name: "Defects", cell: (row) => number(row.count) },
    { name: "Frames", cell: (row) => (row.frames === undefined ? "–" : number(row.frames)) },
  ], shown);
}

function showModels(models) {
  if (!models) return byId("models").replaceChildren(make("p", "note", "Being read from Kafka."));
  const shown = models.slice(0, MODELS_MAX).map((model) => {
    const entry = make("dl", "lines");
    fillFacts(entry, [
      ["Name", `${model.name} ${model.version}`],
      ["SHA-256", model.sha256.slice(0, 16)],
      ["Thresholds", model.thresholds === "settings" ? "overridden by the settings" : "of the bundle"],
      ["Provider", (model.provider ?? "–").replace("ExecutionProvider", "")],
      ["Frames", number(model.frames)],
    ]);
    return entry;
  });
  if (models.length > MODELS_MAX) shown.push(make("p", "note", `${models.length - MODELS_MAX} more: see the JSON.`));
  if (!models.length) shown.push(make("p", "note", "Unknown: the results are no longer on Kafka."));
  byId("models").replaceChildren(...shown);
}

function showSerious(defects) {
  byId("serious-title").textContent = defects?.length ? `The ${defects.length === 1 ? "most serious defect" : `${defects.length} most serious defects`}` : "Most serious defects";
  if (!defects) return byId("serious").replaceChildren(make("li", "note", "Being read from Kafka."));
  if (!defects.length) return byId("serious").replaceChildren(make("li", "note", "No defects."));
  byId("serious").replaceChildren(...defects.map(seriousDefect));
}
