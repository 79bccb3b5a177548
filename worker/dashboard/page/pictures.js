// A picture area with the aspect ratio of the frame. It has its final size before the picture arrives, shows a
// placeholder until then, and a sentence if no picture can be fetched.

import { make } from "./dom.js";

const GONE = "No picture: the frame is no longer on Kafka, or cannot be decoded.";
const WIDE = 2.5; // the aspect ratio from which a picture needs a wider card

export const isWide = (card) => Boolean(card.width_px && card.height_px) && card.width_px / card.height_px >= WIDE;

// Return the picture of a defect: the frame with boxes laid over it, which can be seen at any size, or the worker's
// evidence image, which has boxes and labels drawn into it and gets no others. If the preferred one cannot be fetched, the
// other one is shown.
export function makePicture(card, { large = false, evidence = false } = {}) {
  const frame = make("span", "frame");
  frame.dataset.state = "loading";
  if (card.width_px && card.height_px) frame.style.setProperty("--ratio", card.width_px / card.height_px);
  const pane = frame.appendChild(make("span", "pane"));
  const file = `${card.picture}.jpg${large ? "?large" : ""}`;
  const sources = [`/frames/${file}`, ...(card.evidence ? [`/evidence/${file}`] : [])];
  load(frame, pane, card, evidence ? sources.reverse() : sources);
  return frame;
}

function load(frame, pane, card, [source, ...others]) {
  const image = make("img");
  image.alt = "";
  image.decoding = "async";
  image.addEventListener("load", () => {
    frame.dataset.state = "shown";
    if (source.startsWith("/frames/")) pane.append(...card.boxes.map((box) => makeBox(box, card)));
  });
  image.addEventListener("error", () => {
    image.remove();
    if (others.length) return load(frame, pane, card, others); // not written yet, or already deleted
    frame.dataset.state = "gone";
    frame.append(make("span", "gone", GONE));
  });
  image.src = source;
  pane.append(image);
}

function makeBox(box, card) {
  const mark = make("span", "box");
  mark.style.left = `${(100 * box.x) / card.width_px}%`;
  mark.style.top = `${(100 * box.y) / card.height_px}%`;
  mark.style.width = `${(100 * box.width) / card.width_px}%`;
  mark.style.height = `${(100 * box.height) / card.height_px}%`;
  return mark;
}
