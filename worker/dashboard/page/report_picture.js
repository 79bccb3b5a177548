// A defect of the report with its picture: the part of the frame around the defect.

import { make, metres, percent } from "./dom.js";
import { classColour } from "./classes.js";

const ASPECT = 1.9; // width of a picture by its height
const MARGIN = 2.2; // width of the part shown, by that of the box
const SHOWN_PX_MIN = 160;
const WIDTH_PX = 480;

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
  const canvas = frame.appendChild(make("canvas"));
  [canvas.width, canvas.height] = [WIDTH_PX, Math.round(WIDTH_PX / ASPECT)];
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${defect.label} on the frame of camera ${defect.camera}`);
  const image = new Image();
  image.addEventListener("load", () => {
    draw(canvas, image, defect, !evidence); // the evidence image has the box already
    canvas.dataset.state = "shown";
  }, { once: true });
  image.addEventListener("error", () => {
    if (evidence) frame.replaceWith(picture(defect, false));
    else frame.replaceChildren(make("span", "gone", "Picture no longer on Kafka"));
  }, { once: true });
  image.src = `/${evidence ? "evidence" : "frames"}/report/${defect.picture}.jpg?large`;
  return frame;
}

function draw(canvas, image, defect, withBox) {
  const part = partShown(defect);
  const scale = image.naturalWidth / defect.width_px;
  const pen = canvas.getContext("2d");
  pen.drawImage(image, part.x * scale, part.y * scale, part.width * scale, part.height * scale, 0, 0, canvas.width, canvas.height);
  const box = boxOf(defect);
  if (!box || !withBox) return;
  const zoom = canvas.width / part.width;
  for (const [colour, width] of [["#000", 7], ["#fff", 3]]) {
    [pen.strokeStyle, pen.lineWidth] = [colour, width];
    pen.strokeRect((box.x - part.x) * zoom, (box.y - part.y) * zoom, box.width * zoom, box.height * zoom);
  }
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
