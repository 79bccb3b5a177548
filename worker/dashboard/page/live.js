// Listens to the server's events and hands each part to the file that shows it.

import { ago, byId, fillTable, flagsText, lineName, make, number } from "./dom.js";
import { addCards, startCards } from "./cards.js";
import { labels, showClasses, startClasses } from "./classes.js";
import { onShow, setEnded, setRunning, showCoils } from "./coils.js";
import { chooseCoil, chosenCoils, showLines } from "./lines.js";
import { startTheme } from "./theme.js";

const SILENT_MS = 10000;
const AWAY_MS = 10000; // the server sends a state twice a second
const AGAIN_MS = 2000;
const RELOAD_MS = 60000;
const tiles = new Map();
let runId = "";
let events = null;
let heardMs = 0;
let foreign = false; // the server that answered last is of another run than this page, which may not load again yet

function showStatus(state) {
  const newest = Math.max(0, ...state.lines.flatMap((line) => line.cameras.map((camera) => camera.last_ms)));
  const quietMs = state.now_ms - newest;
  let [kind, text] = [state.state, { connecting: "connecting to Kafka", reading: "reading the past", live: "live" }[state.state]];
  if (state.state === "lost") text = "Kafka is lost, trying again";
  else if (state.state === "live" && !newest) [kind, text] = ["reading", "live, no frame yet"];
  else if (state.state === "live" && quietMs > SILENT_MS) [kind, text] = ["reading", `last frame ${ago(quietMs)}`];
  setStatus(kind, text, state.problem);
}

function setStatus(kind, text, title = "") {
  byId("status").dataset.state = kind;
  byId("status").title = title;
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
}

function showTiles(state) {
  const worst = (key) => Math.max(...state.lines.map((line) => line[key] ?? 0), 0);
  const ms = (value) => (value >= 2000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`);
  const totals = state.totals;
  const figures = [
    ["frames a second", state.frames_per_second.toFixed(1)],
    ["latency p50", ms(worst("latency_ms_p50"))],
    ["latency p99", ms(worst("latency_ms_p99"))],
    ["defects a minute", number(state.defects_per_minute)],
    ["frames with defects", number(totals.defect_frames)],
    ["unsure", number(totals.unsure)],
    ["flagged", number(totals.flagged), totals.flagged > 0],
    ["rejected", number(totals.rejected), totals.rejected > 0],
    ["skipped", number(totals.skipped), totals.skipped > 0],
    ["late", number(totals.late), totals.late > 0],
  ];
  for (const [name, value, raised] of figures) {
    if (!tiles.has(name)) {
      const tile = byId("tiles").appendChild(make("div"));
      tile.append(make("dt", "", name), make("dd"));
      tiles.set(name, tile);
    }
    tiles.get(name).className = raised ? "raised" : "";
    tiles.get(name).lastChild.textContent = value;
  }
}

function showCameras(state) {
  const many = state.lines.length > 1;
  const rows = state.lines.flatMap((line) => line.cameras.map((camera) => ({ ...camera, line: line.line, key: `${line.line}\n${camera.camera}` })));
  const late = (row) => state.now_ms - row.last_ms > SILENT_MS;
  fillTable(byId("cameras"), [
    { name: "Camera", text: true, cell: (row) => row.camera },
    ...(many ? [{ name: "Line", text: true, cell: (row) => lineName(row.line) }] : []),
    { name: "Frames", cell: (row) => number((row.inspected ?? 0) + (row.skipped ?? 0) + (row.rejected ?? 0)) },
    { name: "Defects", cell: (row) => number(row.defects) },
    { name: "Unsure", cell: (row) => number(row.unsure) },
    { name: "Why", text: true, cell: (row) => flagsText(row.flags), mark: () => "bad" },
    { name: "Rejected", cell: (row) => number(row.rejected), mark: (row) => (row.rejected ? "bad" : "zero") },
    { name: "Seen", cell: (row) => ago(state.now_ms - row.last_ms), mark: (row) => (late(row) ? "warn" : "") },
  ], rows);
}

function showModels(state) {
  fillTable(byId("models"), [
    { name: "Model", text: true, cell: (row) => `${row.name} ${row.version} · ${row.sha256.slice(0, 8)}` },
    { name: "Runs on", text: true, cell: (row) => (row.provider ?? "–").replace("ExecutionProvider", "") },
    { name: "Frames", cell: (row) => number(row.frames) },
    { name: "Seen", cell: (row) => ago(state.now_ms - row.last_ms), mark: (row) => (state.now_ms - row.last_ms > SILENT_MS ? "warn" : "") },
  ], state.models.map((model) => ({ ...model, key: `${model.name}\n${model.version}\n${model.sha256}\n${model.thresholds}\n${model.provider}` })));
}

function show(state) {
  showStatus(state);
  showTiles(state);
  showClasses(state.labels);
  showCameras(state);
  showModels(state);
  setRunning(state.running);
  showCoils(chosenCoils());
  showLines(state.lines.map((line) => line.line));
}

// Another run of the server counts its defects from 1, and may be another version with another page: load the page again.
function hear(state) {
  heardMs = Date.now();
  if (runId && state.run !== runId) {
    rest();
    foreign = !mayReload();
    if (foreign) setStatus("lost", "another server answers than before; this page loads again within a minute");
    else location.reload();
    return;
  }
  foreign = false;
  runId = state.run;
  show(state);
}

// At most once a minute: behind a balancer with two servers every reload may meet the other one.
function mayReload() {
  return performance.getEntriesByType("navigation")[0]?.type !== "reload" || performance.now() > RELOAD_MS;
}

function listen() {
  if (events) return;
  heardMs = Date.now();
  events = new EventSource("/events");
  events.addEventListener("state", (event) => hear(JSON.parse(event.data)));
  events.addEventListener("coils", (event) => setEnded(JSON.parse(event.data)));
  events.addEventListener("cards", (event) => addCards(JSON.parse(event.data)));
  events.addEventListener("error", away);
}

function away() {
  setStatus("lost", "this page's server is away, trying again");
}

// A browser tries again by itself where a connection breaks, but not after an answer that is an error (of a proxy whose
// server restarts), and not where a server that hangs, or whose host is gone, keeps the connection.
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
startClasses();
startCards();
onShow((row) => {
  chooseCoil(row);
  showCoils(chosenCoils());
});
// A browser has six connections to a server for all its tabs: one that nobody sees gives its own back.
const rest = () => {
  events?.close();
  events = null;
};
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
addEventListener("pagehide", rest);
addEventListener("pageshow", listen);
setInterval(listenAgain, AGAIN_MS);
if (!document.hidden) listen();
