// Where a defect is on the strip: side, edges and width across it, head and tail along it.

import { allCoils } from "./coils.js";
import { cameraSetting, metres } from "./dom.js";

const END_MM = 20000; // the head and the tail are this long, or a third of a shorter coil

const millimetres = (value) => `${value.toLocaleString("en-GB", { maximumFractionDigits: 1 })} mm`;

// Name the setting without which a figure is not known.
const missing = (card, ...names) => `not known: set ${names.map((name) => cameraSetting(card.camera, name)).join(" or ")}`;

// Return the end of the strip to which a defect is near, "head" or "tail"; "middle" is neither. The tail is known when
// the coil has ended.
function zone(card, coil) {
  if (!card.strip_mm) return "";
  const [start, end] = card.strip_mm;
  const length = coil?.length_mm ?? Infinity;
  const reach = coil?.ended ? Math.min(END_MM, length / 3) : END_MM;
  if (start < reach) return "head";
  return hasTail(coil) && fromTail(card, coil) < reach ? "tail" : "middle";
}

// The coils come newest first. A name may come again, so the coil is the newest one that began before the card.
const coilOf = (card) =>
  allCoils().find((row) => row.coil === card.coil && row.line === card.line && !row.supplement && row.first_captured_at <= card.captured_at);

// An encoder reset moves the positions of a coil, but not those in its events.
const fromTail = (card, coil) => coil.strip_mm.end - card.strip_mm[1];
const hasTail = (coil) => Boolean(coil?.ended && coil.strip_mm && !coil.position_faults.reset);

function nearestEdge(card) {
  if (card.left_edge_mm === null) return "";
  if (card.right_edge_mm === null) return `${millimetres(card.left_edge_mm)} from the left edge`;
  const right = card.right_edge_mm < card.left_edge_mm;
  return `${millimetres(right ? card.right_edge_mm : card.left_edge_mm)} from the ${right ? "right" : "left"} edge`;
}

// Return the location across the strip in a few words, "" if nothing is known.
export function acrossText(card) {
  const width = card.width_mm === null ? "" : `${millimetres(card.width_mm)} wide`;
  return [card.side ?? "", nearestEdge(card), width].filter(Boolean).join(" · ");
}

export function alongText(card) {
  if (!card.strip_mm) return "position unknown";
  const near = zone(card, coilOf(card));
  return metres(card.strip_mm[0], 2) + (near === "middle" ? "" : ` · ${near}`);
}

function stretchText(card, coil) {
  if (!card.strip_mm) return "not known: the camera sends no ce_strippositionmm";
  const [start, end] = card.strip_mm;
  const near = zone(card, coil);
  const place = near === "middle" ? "in the middle" : `near the ${near}`;
  if (start === end) return `frame at ${metres(start, 3)}, ${place}; within the frame ${missing(card, "mm_per_px")}`;
  return `${metres(start, 3)} to ${metres(end, 3)}, ${place}`;
}

// Return names and values for the enlarged view. What is missing names its setting.
export function positionFacts(card) {
  const coil = coilOf(card);
  const facts = [["Strip position", stretchText(card, coil)]];
  if (card.strip_mm) {
    const tail = hasTail(coil) ? metres(fromTail(card, coil), 3) : coil?.ended ? "not known: the positions were reset" : "known when the coil has ended";
    facts.push(["From the tail", tail]);
  }
  facts.push(["Side", card.side ?? missing(card, "side")]);
  if (card.boxes.length) {
    facts.push(["Width", card.width_mm === null ? missing(card, "mm_per_px", "mm_per_px_across") : millimetres(card.width_mm)]);
    facts.push(["From the edge", nearestEdge(card) || missing(card, card.width_mm === null ? "mm_per_px" : "lane_offset_mm")]);
  }
  return facts;
}
