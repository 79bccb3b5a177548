// One section per line with its strip map. The map follows the running coil unless the user selects another one.

import { ago, byId, lineTitle, make, metres, number, speedText } from "./dom.js";
import { onFilter } from "./classes.js";
import { rateText, reasonsText, stateMark, stateText } from "./coil_state.js";
import { allCoils } from "./coils.js";
import { findCard, openCard } from "./cards.js";
import { StripMap } from "./map.js";

const LAST_MM = 20000;
const FAULTS_LISTED = 3;
const sections = new Map();

class LineSection {
  constructor(name) {
    this.name = name;
    this.chosen = null; // the id of a coil; null follows the running coil
    this.drawn = "";
    this.loading = false;
    const section = byId("lines").appendChild(make("section"));
    this.section = section;
    const head = section.appendChild(make("div", "head"));
    this.title = head.appendChild(make("h2", "", lineTitle(name)));
    this.state = head.appendChild(make("p", "state"));
    this.faults = head.appendChild(make("a"));
    this.faults.href = "#cameras-title";
    this.stop = head.appendChild(make("p", "stop"));
    this.speed = head.appendChild(make("p", "note"));
    this.note = head.appendChild(make("p", "note"));
    this.follow = head.appendChild(make("button", "quiet", "Back to the running coil"));
    this.follow.type = "button";
    this.follow.addEventListener("click", () => this.choose(null));
    this.zoom = head.appendChild(make("button", "quiet", "Last 20 m"));
    this.zoom.type = "button";
    this.zoom.setAttribute("aria-pressed", "false");
    this.map = new StripMap(section, { chosen: (what) => this.open(what) });
    this.zoom.addEventListener("click", () => {
      this.map.lastMm = this.map.lastMm ? 0 : LAST_MM;
      this.zoom.setAttribute("aria-pressed", String(Boolean(this.map.lastMm)));
      this.map.draw();
    });
    onFilter(() => this.map.draw());
  }

  open(what) {
    const card = findCard(what);
    if (card) openCard(card);
    else this.map.announcement.textContent += ". Its picture is no longer among the newest defects.";
  }

  showStop(text) {
    this.stop.hidden = !text;
    if (this.stop.textContent !== text) this.stop.textContent = text;
  }

  showSpeed(text) {
    this.speed.hidden = !text;
    if (this.speed.textContent !== text) this.speed.textContent = text;
  }

  // The state of a coil does not tell whether its cameras see anything.
  showFaults(cameras) {
    const faulty = ["bad", "warn"].flatMap((kind) => cameras.filter(({ health }) => health.kind === kind));
    this.faults.hidden = faulty.length === 0;
    if (!faulty.length) return;
    const more = faulty.length > FAULTS_LISTED ? ` and ${faulty.length - FAULTS_LISTED} more` : "";
    const text = faulty.slice(0, FAULTS_LISTED).map(({ camera, health }) => `${camera} ${health.word}`).join(", ") + more;
    if (this.faults.textContent !== text) this.faults.textContent = text;
    this.faults.dataset.kind = faulty[0].health.kind;
  }

  choose(id) {
    this.chosen = id;
    this.update();
  }

  row() {
    const mine = allCoils().filter((row) => (row.line ?? "") === this.name);
    return mine.find((row) => row.id === this.chosen) ?? mine[0];
  }

  async update() {
    const row = this.row();
    if (!row) return;
    this.title.textContent = lineTitle(this.name, row);
    const defects = Object.values(row.defects).reduce((a, b) => a + b, 0);
    this.note.textContent = `${metres(row.length_mm)} · ${number(defects)} ${defects === 1 ? "defect" : "defects"} · ${rateText(row)}`;
    this.state.dataset.state = stateMark(row);
    this.state.title = reasonsText(row);
    if (this.state.textContent !== stateText(row)) this.state.textContent = stateText(row);
    this.follow.hidden = this.chosen === null;
    const state = `${row.id} ${row.ended} ${row.frames.inspected + row.frames.skipped + row.frames.rejected}`;
    if (state === this.drawn || this.loading) return;
    this.loading = true;
    try {
      const answer = await fetch(`/coils/${encodeURIComponent(row.id)}/map.json`);
      if (answer.ok) {
        this.map.show(await answer.json(), !row.ended);
        this.drawn = state;
      }
    } catch {
      // the status bar already reports that the server is unreachable
    } finally {
      this.loading = false;
    }
  }
}

// The server sends the running lines first. A section moves only while nobody uses one of them.
export function showLines(state) {
  const list = byId("lines");
  for (const line of state.lines) {
    if (!sections.has(line.line)) sections.set(line.line, new LineSection(line.line));
    const section = sections.get(line.line);
    section.showStop(line.stopped ? `stopped ${ago(state.now_ms - line.last_ms)}` : "");
    section.showFaults(line.cameras);
    section.showSpeed(speedText(line.speed_mps));
    section.update();
  }
  if (list.matches(":hover") || list.contains(document.activeElement)) return;
  state.lines.forEach((line, at) => {
    const node = sections.get(line.line).section;
    if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
  });
}

export function chooseCoil(row) {
  const section = sections.get(row.line ?? "");
  section?.choose(row.id);
  section?.title.scrollIntoView({ block: "center" });
}

export const chosenCoils = () => new Set([...sections.values()].map((section) => section.row()?.id));
