// The strip map of one coil on a canvas: one lane per camera with the inspected stretches and the defects. Arrow keys
// move between defects; an ARIA live region below the canvas announces the selected one.

import { make, metres, percent } from "./dom.js";
import { classColour, isShown, NOVEL } from "./classes.js";
import { clip, dots, frame, hatch, niceStep } from "./map_drawing.js";
import { explanation } from "./map_notes.js";
import { colour, onTheme } from "./theme.js";

const NAME_PX_MIN = 60;
const NAME_PX_MAX = 190;
const NAME_SHARE_MAX = 0.3; // of the width
const LANE_PX = 34;
const LANE_GAP_PX = 5;
const [LANE_PX_MIN, LANE_GAP_PX_SMALL] = [5, 2]; // of a map with a limited height
const TWO_ROWS_PX = 26;
const AXIS_PX = 24;
const MARK_PX_MIN = 3;
const WAIT_MM = 5000; // cameras are read at different moments: a lane may lag this far behind without counting as a gap
const [LANE, LABEL, START, END, ROW_START, ROW_END, SCORE, PARTS] = [0, 1, 2, 3, 4, 5, 6, 7];

export class StripMap {
  constructor(parent, { still = false, chosen = () => {}, heightPx = 0 } = {}) {
    this.map = null;
    this.running = false;
    this.lastMm = 0; // length shown, counted from the end of the strip; 0 shows all
    this.selected = -1;
    this.chosen = chosen;
    this.heightPx = heightPx; // height of all lanes, if it is limited
    this.element = parent.appendChild(make("div", "map"));
    this.canvas = this.element.appendChild(make("canvas"));
    this.canvas.setAttribute("role", "img");
    this.tip = this.element.appendChild(make("div", "tip"));
    this.tip.hidden = true;
    this.legend = this.element.appendChild(make("p", "legend"));
    this.notes = this.element.appendChild(make("div"));
    this.announcement = this.element.appendChild(make("p", "note"));
    this.announcement.setAttribute("aria-live", "polite");
    if (!still) this.listen();
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.element);
    onTheme(() => this.draw());
  }

  listen() {
    this.canvas.tabIndex = 0;
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("mouseleave", () => {
      this.tip.hidden = true;
    });
    this.canvas.addEventListener("click", (event) => {
      if (!this.map?.strip) return;
      this.select(this.nearest(event));
      if (this.selected >= 0) this.chosen(this.describe(this.map.marks[this.selected]));
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => this.select(-1));
  }

  show(map, running) {
    const mark = this.selected >= 0 ? this.map.marks[this.selected] : null;
    const same = this.map?.id === map.id;
    this.map = map;
    this.running = running;
    this.explain();
    this.selected = same && mark ? map.marks.findIndex((m) => m.every((value, at) => at > 5 || value === mark[at])) : -1;
    this.draw();
  }

  explain() {
    const shown = explanation(this.map, this.running);
    const key = JSON.stringify(shown);
    if (key === this.explained) return;
    this.explained = key;
    this.legend.replaceChildren(...shown.kinds.map(([kind, text]) => {
      const entry = make("span");
      entry.append(make("span", `swatch ${kind}`), text);
      return entry;
    }));
    this.notes.replaceChildren(...shown.sentences.map((text) => make("p", "hint", text)));
  }

  visible() {
    const [from, to] = this.range();
    return this.map.marks
      .map((mark, at) => [mark, at])
      .filter(([mark]) => isShown(this.map.labels[mark[LABEL]]) && mark[END] >= from && mark[START] <= to);
  }

  range() {
    if (!this.map?.strip) return [0, 1];
    const [start, end] = this.map.strip;
    const from = this.lastMm ? Math.max(start, end - this.lastMm) : start;
    return [from, Math.max(end, from + 1000)];
  }

  x(mm) {
    const [from, to] = this.range();
    return this.nameWidth + ((mm - from) / (to - from)) * (this.width - this.nameWidth - 8);
  }

  get lanePx() {
    if (!this.heightPx) return LANE_PX;
    return Math.max(LANE_PX_MIN, Math.min(LANE_PX, Math.floor(this.heightPx / this.map.lanes.length) - this.gapPx));
  }

  get gapPx() {
    return this.heightPx ? LANE_GAP_PX_SMALL : LANE_GAP_PX;
  }

  laneTop(lane) {
    return lane * (this.lanePx + this.gapPx) + 2;
  }

  markBox(mark) {
    const left = this.x(mark[START]);
    const width = Math.max(MARK_PX_MIN, this.x(mark[END]) - left);
    const height = this.map.lanes[mark[LANE]].height_px;
    const whole = mark[ROW_START] < 0 || !height;
    const pad = Math.min(3, this.lanePx / 6);
    const top = this.laneTop(mark[LANE]) + (whole ? pad : 1 + (mark[ROW_START] / height) * (this.lanePx - 2));
    const tall = whole ? this.lanePx - 2 * pad : Math.max(MARK_PX_MIN, ((mark[ROW_END] - mark[ROW_START]) / height) * (this.lanePx - 2));
    return [left, top, width, tall];
  }

  draw() {
    if (!this.map) return;
    const ratio = window.devicePixelRatio || 1;
    this.width = Math.max(200, this.element.clientWidth);
    const height = this.laneTop(Math.max(1, this.map.lanes.length)) + AXIS_PX;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.canvas.hidden = !this.map.strip;
    if (!this.map.strip) {
      this.canvas.setAttribute("aria-label", "Strip map: no strip positions known");
      return;
    }
    const widest = Math.max(...this.map.lanes.map((lane) => pen.measureText(lane.camera).width), NAME_PX_MIN);
    this.nameWidth = Math.min(widest + 14, NAME_PX_MAX, NAME_SHARE_MAX * this.width);
    pen.save();
    this.drawLanes(pen);
    this.drawMarks(pen);
    pen.restore();
    this.drawAxis(pen, height);
    const novel = this.visible().filter(([mark]) => this.map.labels[mark[LABEL]] === NOVEL).length;
    const count = this.visible().length - novel;
    const keys = this.canvas.tabIndex === 0 ? " Arrow keys move between defects, Enter opens one." : "";
    const short = this.map.lanes.some((lane) => lane.gaps_omitted) ? " Only the longest gaps are drawn." : "";
    this.canvas.setAttribute("aria-label", `Strip map: ${count} ${count === 1 ? "defect" : "defects"} on ${metres(this.map.strip[1] - this.map.strip[0])}${novel ? `, ${novel} novel` : ""}.${short}${keys}`);
  }

  drawLanes(pen) {
    const [from, to] = this.range();
    const start = Math.max(this.map.strip[0], from);
    const end = Math.min(this.map.strip[1], to);
    for (const [at, lane] of this.map.lanes.entries()) {
      const top = this.laneTop(at);
      pen.fillStyle = colour("text");
      const sidePx = lane.side && this.lanePx >= TWO_ROWS_PX ? 6 : 0;
      pen.font = `${Math.min(12, this.lanePx)}px system-ui, sans-serif`;
      pen.fillText(clip(pen, lane.camera, this.nameWidth - 12), 2, top + this.lanePx / 2 - sidePx);
      pen.fillStyle = colour("soft");
      if (sidePx) pen.fillText(lane.side, 2, top + this.lanePx / 2 + 8);
      const known = this.map.lanes.some((one) => one.covered.length > 0);
      pen.fillStyle = colour("raised");
      pen.fillRect(this.x(start), top, this.x(end) - this.x(start), this.lanePx);
      const seen = lane.covered.at(-1)?.[1] ?? this.map.strip[0];
      const until = this.running && end - seen < WAIT_MM ? Math.max(start, seen) : end;
      if (lane.lacks) this.drawUnknown(pen, lane, top, start, end);
      else if (known) hatch(pen, this.x(start), top, this.x(until) - this.x(start), this.lanePx);
      pen.fillStyle = colour("steel");
      for (const [a, b] of lane.covered) {
        if (b < from || a > to) continue;
        const left = this.x(Math.max(a, from));
        pen.fillRect(left, top, Math.max(1, this.x(Math.min(b, to)) - left), this.lanePx);
      }
    }
  }

  // Frames were inspected, but which part of the strip they show is unknown.
  drawUnknown(pen, lane, top, start, end) {
    const left = this.x(Math.max(start, lane.edges?.[0] ?? start));
    dots(pen, left, top, this.x(Math.min(end, lane.edges?.[1] ?? end)) - left, this.lanePx);
  }

  drawMarks(pen) {
    pen.beginPath();
    pen.rect(this.nameWidth - 2, 0, this.width, this.laneTop(this.map.lanes.length));
    pen.clip();
    for (const [mark, at] of this.visible()) {
      const [left, top, width, tall] = this.markBox(mark);
      pen.fillStyle = colour(classColour(this.map.labels[mark[LABEL]]));
      if (this.map.labels[mark[LABEL]] === NOVEL) frame(pen, left, top, width, tall);
      else pen.fillRect(left, top, width, tall);
      if (at === this.selected) {
        pen.strokeStyle = colour("text");
        pen.lineWidth = 2;
        pen.strokeRect(left - 3, top - 2, width + 6, tall + 4);
      }
    }
  }

  drawAxis(pen, height) {
    const [from, to] = this.range();
    const bottom = height - AXIS_PX;
    const step = niceStep((to - from) / Math.max(2, (this.width - this.nameWidth) / 90));
    pen.fillStyle = colour("soft");
    pen.strokeStyle = colour("line");
    pen.lineWidth = 1;
    pen.textAlign = "center";
    for (let mm = Math.ceil(from / step) * step; mm <= to; mm += step) {
      const x = Math.round(this.x(mm)) + 0.5;
      pen.beginPath();
      pen.moveTo(x, bottom);
      pen.lineTo(x, bottom + 5);
      pen.stroke();
      const text = `${Number((mm / 1000).toFixed(3))} m`;
      pen.fillText(text, Math.min(x, this.width - pen.measureText(text).width / 2 - 1), bottom + 14);
    }
    pen.textAlign = "left";
    if (this.running) {
      const x = this.x(this.map.strip[1]);
      pen.fillStyle = colour("accent");
      pen.fillRect(x, 0, 3, bottom - 1);
    }
  }

  nearest(event) {
    const area = this.canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - area.left, event.clientY - area.top];
    let [best, distance] = [-1, 10];
    for (const [mark, at] of this.visible()) {
      const [left, top, width, tall] = this.markBox(mark);
      const away = Math.hypot(Math.max(left - px, 0, px - left - width), Math.max(top - py, 0, py - top - tall));
      if (away < distance) [best, distance] = [at, away];
    }
    return best;
  }

  // The mouse shows a tooltip but leaves the keyboard selection unchanged.
  point(event) {
    if (!this.map?.strip) return;
    const at = this.nearest(event);
    if (at < 0) this.tip.hidden = true;
    else this.showTip(at);
  }

  key(event) {
    if (!this.map?.strip) return;
    const marks = this.visible();
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 };
    const now = marks.findIndex(([, at]) => at === this.selected);
    let next = null;
    if (event.key in moves) next = now < 0 ? (moves[event.key] > 0 ? 0 : marks.length - 1) : now + moves[event.key];
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = marks.length - 1;
    if (event.key === "Escape") this.select(-1);
    if (event.key === "Enter" && this.selected >= 0) {
      event.preventDefault(); // otherwise the same key press would also activate the element that receives focus
      this.chosen(this.describe(this.map.marks[this.selected]));
    }
    if (next !== null && marks.length) {
      event.preventDefault();
      this.select(marks[Math.min(marks.length - 1, Math.max(0, next))][1]);
    }
  }

  select(at) {
    this.selected = at;
    this.draw();
    this.announcement.textContent = at < 0 ? "" : this.inWords(this.map.marks[at]);
    if (at < 0) this.tip.hidden = true;
    else this.showTip(at);
  }

  showTip(at) {
    const mark = this.map.marks[at];
    const [left, top, , tall] = this.markBox(mark);
    this.tip.hidden = false;
    this.tip.textContent = this.inWords(mark);
    this.tip.style.left = `${Math.max(0, Math.min(left, this.width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${top + tall + 6}px`;
  }

  inWords(mark) {
    const what = this.describe(mark);
    const position = mark[END] > mark[START] ? `${metres(mark[START], 2)} to ${metres(mark[END], 2)}` : metres(mark[START], 2);
    if (what.label === NOVEL) {
      const frames = mark[PARTS] > 1 ? `${mark[PARTS]} novel frames` : "novel frame";
      return `${frames} at ${position}, camera ${what.camera}, ${mark[SCORE].toFixed(1)} times the threshold`;
    }
    const parts = mark[PARTS] > 1 ? `, merged from ${mark[PARTS]} detections` : "";
    return `${what.label} at ${position}, camera ${what.camera}, score ${percent(mark[SCORE])}${parts}`;
  }

  // start and end are the positions stated in events; after an encoder reset they differ from those on the map.
  describe(mark) {
    const lane = this.map.lanes[mark[LANE]];
    const shift = lane.shifts.findLast(([from]) => from <= mark[START])?.[1] ?? 0;
    return {
      label: this.map.labels[mark[LABEL]],
      camera: lane.camera,
      coil: this.map.coil,
      start: mark[START] - shift,
      end: mark[END] - shift,
    };
  }
}
