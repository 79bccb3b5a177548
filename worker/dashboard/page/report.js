// The printable report of one coil.

import { byId, coilTitle, dateTime, fillFacts, fillTable, firstFramesText, flagsText, lineName, make, metres, number, percent, positionFaultsText } from "./dom.js";
import { classColour, learn } from "./classes.js";
import { StripMap } from "./map.js";
import { startTheme } from "./theme.js";

const WHY = { "next-coil": "ended: the next coil started", silence: "ended: no more frames arrived", limit: "closed here: this page shows at most 100,000 frames per coil" };

const AGAIN_MS = 1000;
const WAIT_MS_MAX = 300000;

// Fetch JSON. A server that has just started answers 503 until it has read the existing results, so ask again.
async function ask(path) {
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += AGAIN_MS) {
    const answer = await fetch(path);
    if (answer.ok) return answer.json();
    if (answer.status !== 503) throw new Error("this page no longer keeps the coil");
    byId("subtitle").textContent = "The server is still reading the results.";
    await new Promise((again) => setTimeout(again, AGAIN_MS));
  }
  throw new Error("the server is still reading the results after five minutes; reload this page later");
}

async function load(id) {
  const [summary, map] = await Promise.all(
    ["", "/map"].map((part) => ask(`/coils/${encodeURIComponent(id)}${part}.json`)),
  );
  return { summary, map };
}

function showFacts(coil) {
  byId("title").textContent = coilTitle(coil);
  document.title = `${coilTitle(coil)} – report`;
  const times = coil.revision === 2 ? "once" : `${number(coil.revision - 1)} times`;
  const corrected = coil.revision > 1 ? ` · corrected ${times} by late frames` : "";
  byId("supplement").hidden = !coil.supplement;
  byId("subtitle").textContent = `${lineName(coil.line)} · ${dateTime(coil.first_captured_at)} to ${dateTime(coil.last_captured_at)} · ${coil.ended ? WHY[coil.ended] : "still running"}${corrected}`;
  const defects = Object.values(coil.defects).reduce((a, b) => a + b, 0);
  fillFacts(byId("facts"), [
    ...(coil.first_frames_unread ? [["Warning", firstFramesText(coil)]] : []),
    ["Length", metres(coil.length_mm, 3)],
    ["Not covered", metres(coil.uncovered_mm, 3)],
    ["Not covered by every camera", metres(coil.partly_uncovered_mm, 3)],
    ["Cameras without frames", coil.cameras_silent.join(", ") || "none"],
    ["Positions", positionFaultsText(coil.position_faults) || "plausible"],
    ["Defects", number(defects)],
    ["Defects per 100 m", coil.length_mm ? ((1e5 * defects) / coil.length_mm).toFixed(1) : "–"],
    ["Frames inspected", number(coil.frames.inspected)],
    ["Frames rejected", number(coil.frames.rejected)],
    ["Frames skipped", number(coil.frames.skipped)],
    ["Frames unsure", number(coil.verdicts.unsure)],
    ["Frames flagged", coil.flagged ? `${number(coil.flagged)}: ${flagsText(coil.flags)}` : "0"],
    ["Worst defect", coil.worst ? `${coil.worst.label}, ${percent(coil.worst.score)}, at ${metres(coil.worst.strip_mm.start, 2)}` : "none"],
  ]);
}

const keyed = (rows) => rows.map((row, key) => Object.assign(row, { key }));

function showTables(coil) {
  fillTable(byId("classes"), [
    { name: "Class", text: true, cell: (row) => row[0] },
    { name: "Defects", cell: (row) => number(row[1]) },
  ], keyed(Object.entries(coil.defects)));
  fillTable(byId("cameras"), [
    { name: "Camera", text: true, cell: (row) => row[0] },
    { name: "Inspected", cell: (row) => number(row[1].frames.inspected) },
    { name: "Rejected", cell: (row) => number(row[1].frames.rejected) },
    { name: "Skipped", cell: (row) => number(row[1].frames.skipped) },
    { name: "Not covered", cell: (row) => metres(row[1].uncovered_mm, 3) },
    { name: "Positions", text: true, cell: (row) => positionFaultsText(row[1].position_faults) },
  ], keyed(Object.entries(coil.cameras)));
  byId("no-gaps").hidden = coil.gaps.length > 0 || coil.uncovered_mm === null;
  byId("gaps-cut").hidden = coil.gaps.length === 0;
  byId("gaps-cut").textContent = coil.gaps.length < coil.gaps_total
    ? `The longest ${number(coil.gaps.length)} of ${number(coil.gaps_total)} gaps, longest first.`
    : `${number(coil.gaps.length)} in total, longest first.`;
  fillTable(byId("gaps"), [
    { name: "From", cell: (gap) => metres(gap.start, 3) },
    { name: "To", cell: (gap) => metres(gap.end, 3) },
    { name: "Length", cell: (gap) => metres(gap.end - gap.start, 3) },
  ], keyed(coil.gaps));
  byId("gaps").hidden = coil.gaps.length === 0;
  fillTable(byId("defects"), [
    { name: "From", cell: (one) => metres(one.strip_mm.start, 3) },
    { name: "To", cell: (one) => metres(one.strip_mm.end, 3) },
    { name: "Class", text: true, cell: (one) => one.label },
    { name: "Camera", text: true, cell: (one) => one.camera },
    { name: "Score", cell: (one) => percent(one.score) },
    { name: "Detections", cell: (one) => number(one.parts) },
  ], keyed(coil.strip_defects));
  byId("cut").textContent = listedText(coil.strip_defects.length, coil.strip_defects_total);
}

function listedText(listed, total) {
  if (total === 0) return "No defects with a known strip position.";
  if (listed === total) return `${number(total)} with a known strip position, in order of position.`;
  return `The first ${number(listed)} of ${number(total)} with a known strip position, in order of position. The others are not listed, but are included in every count above.`;
}

function showMap(map, coil) {
  learn(map.labels, map.label_numbers);
  new StripMap(byId("map"), { still: true }).show(map, !coil.ended);
  byId("legend").replaceChildren(
    ...map.labels.map((label) => {
      const entry = make("span");
      const swatch = entry.appendChild(make("span", "swatch"));
      swatch.style.background = `var(--${classColour(label)})`;
      entry.append(label);
      return entry;
    }),
  );
}

async function start() {
  startTheme(null);
  byId("print").addEventListener("click", () => window.print());
  const id = new URLSearchParams(location.search).get("coil") ?? "";
  try {
    const { summary, map } = await load(id);
    byId("json").href = `/coils/${encodeURIComponent(id)}.json`;
    byId("body").hidden = false;
    showFacts(summary);
    showTables(summary);
    showMap(map, summary);
  } catch (error) {
    byId("subtitle").textContent = `No report available: ${error.message}.`;
  }
}

start();
