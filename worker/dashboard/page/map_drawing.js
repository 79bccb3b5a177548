// What the strip map draws on its canvas.

import { colour } from "./theme.js";

const DOT_PX = 3;
const DOTS_PX = 7; // from one dot to the next

export function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

// Shorten a text in its middle, because names of cameras often differ at their ends.
export function clip(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  const part = (chars) => `${text.slice(0, Math.ceil(chars / 2))}…${text.slice(text.length - Math.floor(chars / 2))}`;
  let chars = Math.min(text.length - 1, 60);
  while (chars > 2 && pen.measureText(part(chars)).width > width) chars -= 1;
  return part(chars);
}

export function dots(pen, left, top, width, height) {
  pen.fillStyle = colour("steel");
  for (let y = top + DOT_PX; y < top + height - DOT_PX; y += DOTS_PX) {
    for (let x = left + DOT_PX; x < left + width; x += DOTS_PX) pen.fillRect(x, y, DOT_PX, DOT_PX);
  }
}

// An open rectangle: something is there, but nobody knows what.
export function frame(pen, left, top, width, height) {
  pen.strokeStyle = pen.fillStyle;
  pen.lineWidth = 2;
  pen.strokeRect(left + 1, top + 1, Math.max(1, width - 2), Math.max(1, height - 2));
}

export function hatch(pen, left, top, width, height) {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.fillStyle = colour("gap");
  pen.fillRect(left, top, width, height);
  pen.strokeStyle = colour("bad");
  pen.globalAlpha = 0.45;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = left - height; x < left + width; x += 8) {
    pen.moveTo(x, top + height);
    pen.lineTo(x + height, top);
  }
  pen.stroke();
  pen.restore();
}
