// Receives server-sent events and passes each one to the module that shows it.

import { ago, byId, fillTable, level, make, number, sinceText } from "./dom.js";
import { showAlarms } from "./alarms.js";
import { startHealth } from "./camera_health.js";
import { showCameras } from "./cameras.js";
import { addCards, startCards } from "./cards.js";
import { labels, showClasses, startClasses } from "./classes.js";
import { onShow, setEnded, setRunning, showCoils } from "./coils.js";
import { chooseCoil, chosenCoils, showLines } from "./lines.js";
import { showRejects, startRejects } from "./rejects.js";
import { startSignIn } from "./sign_in.js";
import { startSound } from "./sound.js";
import { setCorrections, startCorrections } from "./correct.js";
import { startTheme } from "./theme.js";

const SILENT_MS = 10000;
const AWAY_MS = 10000; // the server sends its state twice per second
const AGAIN_MS = 2000;
const RELOAD_MS = 60000;
const tiles = new Map();
let lineNames = [];
let runId = "";
let events = null;
let heardMs = 0;
let foreign = false; // the server was restarted (or another one answers), but this page must not reload yet

function showStatus(state) {
  const newest = Math.max(0, ...state.lines.flatMap((line) => line.cameras.map((camera) => camera.last_ms)));
  const quietMs = state.now_ms - newest;
  let [kind, text, age] = [state.state, { connecting: "connecting to Kafka", reading: "reading earlier results", live: "live" }[state.state], ""];
  if (state.state === "lost") text = "Kafka is unreachable, reconnecting:";
  else if (state.state === "live" && !newest) [kind, text] = ["reading", "live, no frames yet"];
  else if (state.state === "live" && quietMs > SILENT_MS) [kind, text, age] = ["reading", "no new frames:", `last frame ${ago(quietMs)}`];
  setStatus(kind, text, state.problem || age);
}

// Screen readers announce the text when it changes, but not the details, such as an age that changes every second.
function setStatus(kind, text, details = "") {
  byId("status").dataset.state = kind;
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
  if (byId("status-details").textContent !== details) byId("status-details").textContent = details;
}

function showTiles(state) {
  const worst = (key) => Math.max(...state.lines.map((line) => line[key] ?? 0), 0);
  const ms = (value) => (value >= 2000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`);
  const totals = state.totals;
  fillTiles(byId("rates"), [
    ["frames/s", state.frames_per_second.toFixed(1)],
    ["latency p50", ms(worst("latency_ms_p50"))],
    ["latency p99", ms(worst("latency_ms_p99"))],
    ["defects/min", number(state.defects_per_minute), state.running.some(hasDefectAlarm), false, level(state.defects_per_minute)],
  ]);
  fillTiles(byId("counts"), [
    ["with defects", number(totals.defect_frames)],
    ["unsure", number(totals.unsure)],
    ["novel", number(totals.novel), false, !totals.novel],
    ["flagged", number(totals.flagged), totals.flagged > 0],
    ["rejected", number(totals.rejected), totals.rejected > 0],
    ["skipped", number(totals.skipped), totals.skipped > 0, !totals.skipped],
    ["late", number(totals.late), totals.late > 0, !totals.late],
  ]);
}

const hasDefectAlarm = (row) => row.exceeded.some((each) => each.label && each.state === "alarm");

// raised: highlight the figure. nil: a narrow screen leaves it out. full: length of the bar below it, in percent.
function fillTiles(list, figures) {
  for (const [name, value, raised = false, nil = false, full = null] of figures) {
    if (!tiles.has(name)) {
      const tile = list.appendChild(make("div"));
      tile.append(make("dt", "", name), make("dd"));
      tiles.set(name, tile);
    }
    tiles.get(name).className = raised ? "raised" : nil ? "nil" : "";
    tiles.get(name).lastChild.textContent = value;
    if (full !== null) {
      tiles.get(name).classList.add("barred");
      tiles.get(name).style.setProperty("--level", `${full}%`);
    }
  }
}

function showModels(state) {
  fillTable(byId("models"), [
    { name: "Model", head: true, cell: (row) => `${row.name} ${row.version} · ${row.sha256.slice(0, 8)}` },
    { name: "Runs on", text: true, cell: (row) => (row.provider ?? "–").replace("ExecutionProvider", "") },
    { name: "Frames", cell: (row) => number(row.frames) },
    { name: "Last used", cell: (row) => ago(state.now_ms - row.last_ms), mark: (row) => (state.now_ms - row.last_ms > SILENT_MS ? "warn" : "") },
  ], state.models.map((model) => ({ ...model, key: `${model.name}\n${model.version}\n${model.sha256}\n${model.thresholds}\n${model.provider}` })));
}

// Each count on the page is since the oldest record that the server has read.
function showSince(state) {
  const text = sinceText(state.since_ms, state.now_ms);
  for (const element of document.querySelectorAll("[data-since]")) if (element.textContent !== text) element.textContent = text;
}

function show(state) {
  showStatus(state);
  showSince(state);
  showTiles(state);
  showClasses(state);
  showCameras(state);
  showRejects(state);
  showModels(state);
  setRunning(state.running, state.lines);
  lineNames = state.lines.map((line) => line.line);
  showCoils(chosenCoils(), lineNames);
  showLines(state);
  showAlarms(state);
}

// A restarted server numbers its defects from 1 again, and may be another version with another page: reload the page.
function hear(state) {
  heardMs = Date.now();
  if (runId && state.run !== runId) {
    rest();
    foreign = !mayReload();
    if (foreign) setStatus("lost", "the server has changed; this page reloads within a minute");
    else location.reload();
    return;
  }
  foreign = false;
  runId = state.run;
  show(state);
}

// Reload at most once per minute: behind a load balancer with two servers, every reload may reach the other server.
function mayReload() {
  return performance.getEntriesByType("navigation")[0]?.type !== "reload" || performance.now() > RELOAD_MS;
}

function listen() {
  if (events) return;
  heardMs = Date.now();
  events = new EventSource("/events");
  events.addEventListener("state", (event) => hear(JSON.parse(event.data)));
  events.addEventListener("coils", (event) => setEnded(JSON.parse(event.data)));
  events.addEventListener("corrections", (event) => setCorrections(JSON.parse(event.data)));
  events.addEventListener("cards", (event) => addCards(JSON.parse(event.data)));
  events.addEventListener("error", away);
}

function away() {
  setStatus("lost", "the server is unreachable, reconnecting");
}

// A browser reconnects automatically when a connection breaks. It does not after an error response (from a proxy whose
// server restarts), nor while a connection to a hung server or a lost host stays open.
function listenAgain() {
  if (foreign && !document.hidden) listen();
  if (!events) return;
  const hangs = Date.now() - heardMs > AWAY_MS;
  if (hangs) away();
  if (hangs || events.readyState === EventSource.CLOSED) {
    rest();
    listen();
  }
}

startTheme(byId("theme"));
startSignIn();
startSound();
startClasses();
startCards();
startHealth();
startRejects();
startCorrections();
onShow((row) => {
  chooseCoil(row);
  showCoils(chosenCoils(), lineNames);
});
// A browser opens at most six connections to a server for all its tabs, so a hidden tab releases its own.
const rest = () => {
  events?.close();
  events = null;
};
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
addEventListener("pagehide", rest);
addEventListener("pageshow", listen);
setInterval(listenAgain, AGAIN_MS);
if (!document.hidden) listen();
