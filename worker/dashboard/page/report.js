// The printable report of one coil. The page has recent coils in memory; everything else is read from Kafka.

import { byId } from "./dom.js";
import { showFront } from "./report_front.js";
import { showList } from "./report_list.js";
import { follow, sentence } from "./search.js";
import { startTheme } from "./theme.js";

const PICTURES_MS_MAX = 30000;
let report = null;

// Return the parameters that find the coil on Kafka. An old address has its id as `coil`.
function target() {
  const given = new URLSearchParams(location.search);
  const known = { id: given.get("id") ?? given.get("coil") };
  for (const name of ["line", "name", "from", "to"]) known[name] = given.get(name);
  return new URLSearchParams(Object.entries(known).filter(([, value]) => value));
}

// Show what the page has in memory at once. Pictures and models follow when Kafka was read.
async function showRecent(id) {
  const answer = await fetch(`/history/recent.json?id=${encodeURIComponent(id)}`);
  const recent = answer.ok ? await answer.json() : null;
  if (recent) show({ ...recent, notes: [], models: null, most_serious: null });
}

function show(found) {
  report = found;
  byId("body").hidden = false;
  byId("list").hidden = false;
  showFront(found);
  showList(found, byId("every").checked);
}

function say(text, state) {
  byId("loading").textContent = text;
  document.body.dataset.state = state;
}

async function print() {
  const until = Date.now() + PICTURES_MS_MAX;
  while (document.querySelector(".view canvas:not([data-state])") && Date.now() < until) await new Promise((again) => setTimeout(again, 100));
  window.print();
}

async function start() {
  startTheme(null);
  byId("print").addEventListener("click", print);
  byId("every").addEventListener("change", () => report && showList(report, byId("every").checked));
  const asked = target();
  byId("json").href = `/history/report.json?${asked}`;
  await showRecent(asked.get("id") ?? "").catch(() => {}); // the stream below reports that the server is unreachable
  follow(`/history/report?${asked}`, {
    progress: (text) => say(`${text}.`, "reading"),
    done: (found) => {
      show(found);
      say("", "done");
    },
    failed: (error) => {
      const what = report ? "Pictures and models are not available" : "No report available";
      say(sentence(`${what}: ${error}`), "failed");
    },
  });
}

start();
