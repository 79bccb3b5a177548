// A defect of the report with its picture: the part of the frame around the defect.

import { make, metres, percent } from "./dom.js";
import { classColour } from "./classes.js";

const ASPECT = 1.9; // width of a picture by its height
const MARGIN = 2.2; // width of the part shown, by that of the box
const SHOWN_PX_MIN = 160;

export function seriousDefect(defect) {
  const item = make("li");
  item.style.setProperty("--class", `var(--${classColour(defect.label)})`);
  item.append(picture(defect, defect.evidence === true));
  const place = defect.strip_mm ? metres(defect.strip_mm[0], 2) : "position unknown";
  item.append(
    make("strong", "", defect.label),
    make("span", "", `${defect.severity} · ${percent(defect.score)}`),
    make("span", "", `${place} · ${defect.camera}`),
  );
  return item;
}

function picture(defect, evidence) {
  const frame = make("span", "view");
  if (!defect.picture || !defect.width_px || !defect.height_px) {
    frame.append(make("span", "gone", "Picture no longer on Kafka"));
    return frame;
  }
  const part = partShown(defect);
  const image = frame.appendChild(make("img"));
  image.alt = `${defect.label} on the frame of camera ${defect.camera}`;
  place(image, { x: 0, y: 0, width: defect.width_px, height: defect.height_px }, part);
  const box = boxOf(defect);
  if (box && !evidence) place(frame.appendChild(make("span", "box")), box, part); // the evidence image has it
  image.addEventListener("error", () => {
    if (evidence) frame.replaceWith(picture(defect, false));
    else frame.replaceChildren(make("span", "gone", "Picture no longer on Kafka"));
  }, { once: true });
  image.src = `/${evidence ? "evidence" : "frames"}/report/${defect.picture}.jpg?large`;
  return frame;
}

// The box of the defect's own class, or the first one.
const boxOf = (defect) => defect.boxes[Math.max(0, defect.box_labels.indexOf(defect.label))];

// Return the part of the frame to show, in pixels of the frame: the surroundings of the box, or the whole frame.
function partShown({ width_px, height_px, ...defect }) {
  const box = boxOf(defect);
  const wanted = box ? Math.max(SHOWN_PX_MIN, MARGIN * box.width, MARGIN * ASPECT * box.height) : width_px;
  const width = Math.min(wanted, Math.max(width_px, ASPECT * height_px));
  const height = width / ASPECT;
  const [middleX, middleY] = box ? [box.x + box.width / 2, box.y + box.height / 2] : [width_px / 2, height_px / 2];
  return { x: within(middleX, width, width_px), y: within(middleY, height, height_px), width, height };
}

// Return the start of a window around a point that stays on the frame if the frame is large enough.
function within(middle, length, frame) {
  if (length >= frame) return (frame - length) / 2;
  return Math.min(Math.max(0, middle - length / 2), frame - length);
}

function place(element, at, part) {
  element.style.left = `${(100 * (at.x - part.x)) / part.width}%`;
  element.style.top = `${(100 * (at.y - part.y)) / part.height}%`;
  element.style.width = `${(100 * at.width) / part.width}%`;
  element.style.height = `${(100 * at.height) / part.height}%`;
}
