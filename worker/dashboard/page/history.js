// The history: coils that Kafka still has, found by part of their id or by time.

import { byId, coilName, coilPhrase, dateTime, fillTable, lineName, make, metres, number, reportAddress } from "./dom.js";
import { stateText } from "./coil_state.js";
import { follow, sentence } from "./search.js";
import { compareShifts, startShifts } from "./shifts.js";
import { startTheme } from "./theme.js";

let cancel = () => {};

// A field for date and time has no time zone: it is in that of the browser.
const asTime = (field) => (field.value ? new Date(field.value).toISOString() : "");

function asLocal(time) {
  const at = new Date(time);
  if (!time || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - 60000 * at.getTimezoneOffset()).toISOString().slice(0, 16);
}

function parameters() {
  const given = { coil: byId("coil").value.trim(), from: asTime(byId("from")), to: asTime(byId("to")), source: byId("results").checked ? "results" : "" };
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value));
}

function search() {
  cancel();
  const asked = parameters().toString();
  const address = asked ? `?${asked}` : "";
  history.replaceState(null, "", `/history${address}`);
  byId("found-csv").href = `/history/coils.csv${address}`;
  byId("found-json").href = `/history/coils.json${address}`;
  byId("files").hidden = true;
  byId("cancel").hidden = false;
  const stop = follow(`/history/coils${address}`, {
    progress: (text) => say(`${text}.`),
    done: showFound,
    failed: (error) => finish(`The search failed: ${error}`),
  });
  cancel = () => {
    stop();
    finish("Cancelled");
  };
}

function say(text) {
  byId("found").textContent = text;
}

function finish(text) {
  cancel = () => {};
  byId("cancel").hidden = true;
  say(sentence(text));
}

function showFound(found) {
  byId("files").hidden = found.total === 0;
  showExtent(found.kafka);
  finish(foundText(found));
  const columns = [
    { name: "Coil", head: true, cell: coilName },
    { name: "Line", text: true, cell: (row) => lineName(row.line) },
    { name: "State", text: true, cell: stateCell, mark: (row) => ({ alarm: "bad", warning: "warn" })[row.state] ?? "" },
    { name: "First frame", cell: (row) => dateTime(row.first_captured_at) },
    { name: "Last frame", cell: (row) => dateTime(row.last_captured_at) },
    { name: "Length", cell: (row) => metres(row.length_mm) },
    { name: "Not covered", cell: (row) => metres(row.uncovered_mm) },
    { name: "Frames", cell: (row) => number(row.frames.inspected + row.frames.skipped + row.frames.rejected) },
    { name: "Rejected", cell: (row) => number(row.frames.rejected) },
    { name: "Defects", cell: (row) => number(Object.values(row.defects).reduce((sum, count) => sum + count, 0)) },
    { name: "", node: reportLink },
  ];
  fillTable(byId("coils"), columns, found.coils.map((row) => ({ ...row, key: row.id })));
}

function stateCell(row) {
  if (row.supplement) return "late frames";
  const state = row.state ? stateText(row) : "not graded";
  return row.ended ? state : `${state} (running)`;
}

function foundText(found) {
  if (found.total === 0) return "No coil found";
  const listed = found.coils.length < found.total ? `, the newest ${number(found.coils.length)} of them listed` : "";
  const since = found.since ? `. Kafka has too many results in this time: only those since ${dateTime(found.since)} were read` : "";
  const stale = found.summaries_until ? `. The summaries end at ${dateTime(found.summaries_until)}: check that "stripwatch coils" runs` : "";
  return `${number(found.total)} ${found.total === 1 ? "coil" : "coils"} found in the ${found.source}${listed}${since}${stale}`;
}

function reportLink(row) {
  const link = make("a", "", "Report");
  link.href = reportAddress(row);
  link.setAttribute("aria-label", `Report of ${coilPhrase(row)}`);
  return link;
}

function showExtent(kafka) {
  const results = kafka.oldest_result_at
    ? `Kafka has results since ${dateTime(kafka.oldest_result_at)}`
    : "Kafka has no results";
  const summaries = kafka.summaries
    ? `and summaries of ${number(kafka.summaries)} coils since ${dateTime(kafka.oldest_coil_at)}`
    : 'and no summaries of coils ("stripwatch coils" writes them): a search reads the results';
  byId("extent").textContent = `${results}, ${summaries}.`;
}

function start() {
  startTheme(byId("theme"));
  startShifts(showExtent);
  const given = new URLSearchParams(location.search);
  byId("coil").value = given.get("coil") ?? "";
  byId("from").value = asLocal(given.get("from"));
  byId("to").value = asLocal(given.get("to"));
  byId("results").checked = given.get("source") === "results";
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  byId("cancel").addEventListener("click", () => cancel());
  if ([...given.keys()].length) search();
  follow("/history/kafka", {
    progress: (text) => (byId("extent").textContent = `${text}.`),
    done: (kafka) => {
      showExtent(kafka);
      if (kafka.summaries) compareShifts();
    },
    failed: (error) => (byId("extent").textContent = sentence(error)),
  });
}

start();
