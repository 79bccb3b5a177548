// A chart of shifts: stacked bars of the frames with defects per 100 m, by class.

import { make } from "./dom.js";
import { classColour, withSwatch } from "./classes.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH_MIN, WIDTH_MAX] = [260, 1000];
const HEIGHT = 190;
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 8, 12, 34];
const [LABEL_PX, BAR_PX_MAX] = [42, 80];
let drawn = null;

new ResizeObserver(() => drawn?.()).observe(document.documentElement);

export function drawShifts(parent, shifts, labels) {
  drawn = () => draw(parent, shifts, labels, Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, parent.clientWidth)));
  drawn();
}

function draw(parent, shifts, labels, width) {
  const rates = shifts.map((shift) => labels.map((label) => shift.defect_frames_per_100_m?.[label] ?? 0));
  const top = niceTop(Math.max(...rates.map((row) => row.reduce((sum, rate) => sum + rate, 0)), 0));
  const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, role: "img", class: "shift-chart" });
  svg.setAttribute("aria-label", `Frames with defects per 100 m in ${shifts.length} shifts. The table below has the same figures.`);
  for (const share of [0, 0.5, 1]) {
    const y = yOf(share);
    svg.append(element("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: "grid" }));
    svg.append(text(Number((share * top).toPrecision(3)).toLocaleString("en-GB"), { x: LEFT - 6, y: y + 4, "text-anchor": "end" }));
  }
  const step = (width - LEFT - RIGHT) / shifts.length;
  const every = Math.ceil(LABEL_PX / step);
  shifts.forEach((shift, at) => {
    const x = LEFT + at * step;
    const wide = Math.min(BAR_PX_MAX, step * 0.7);
    drawBar(svg, rates[at], labels, x + (step - wide) / 2, wide, top);
    if (shift.defect_frames_per_100_m === null) svg.append(text("–", { x: x + step / 2, y: yOf(0) - 4, "text-anchor": "middle" }));
    if (at % every) return;
    svg.append(text(shift.start.slice(11, 16), { x: x + step / 2, y: HEIGHT - 19, "text-anchor": "middle" }));
    svg.append(text(shift.start.slice(5, 10), { x: x + step / 2, y: HEIGHT - 5, "text-anchor": "middle", class: "day" }));
  });
  parent.replaceChildren(make("p", "note", "Frames with defects per 100 m"), svg, legend(labels));
}

function drawBar(svg, rates, labels, x, width, top) {
  let sum = 0;
  rates.forEach((rate, at) => {
    if (!rate) return;
    const [low, high] = [yOf(sum / top), yOf((sum + rate) / top)];
    const bar = element("rect", { x, width, y: high, height: Math.max(1, low - high), class: `bar-${classColour(labels[at])}` });
    bar.append(element("title", {}, `${labels[at]}: ${rate}`));
    svg.append(bar);
    sum += rate;
  });
}

function legend(labels) {
  const list = make("p", "legend");
  list.append(...labels.map(withSwatch));
  return list;
}

const yOf = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);

// Return the end of the axis: 1, 2 or 5 times a power of ten, at or above the highest bar.
function niceTop(highest) {
  const power = 10 ** Math.floor(Math.log10(Math.max(highest, 0.01)));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= highest * 0.9999);
}

function element(name, attributes, content = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content) made.textContent = content;
  return made;
}

const text = (content, attributes) => element("text", attributes, content);
