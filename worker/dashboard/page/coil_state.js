// The state of a coil by the limits, in words.

import { number } from "./dom.js";

const UNITS = { frames: "", frames_per_100_m: " per 100 m", percent_of_frames: " % of frames", percent_of_strip: " % of strip" };
const RULES = { rejected: "rejected", uncovered: "not covered", unsure: "unsure", novel: "novel" };

export const amount = (value) => number(value >= 100 ? Math.round(value) : Math.round(value * 10) / 10);

// Describe an exceeded limit: "scratch 12 per 100 m".
export function reason({ rule, label, value, unit }) {
  if (rule === "critical") return `${label}: ${number(value)} ${value === 1 ? "frame" : "frames"}`;
  return `${label ?? RULES[rule]} ${amount(value)}${UNITS[unit]}`;
}

export function limitText({ rule, limit, unit }) {
  return rule === "critical" ? "critical class" : `limit ${amount(limit)}${UNITS[unit]}`;
}

// Describe the state of a coil in a line: the first reason, and how many more there are.
export function stateText(row) {
  if (!row.state) return "–";
  const [first, ...more] = row.exceeded;
  if (!first) return noLimitText(row) || "OK";
  const word = row.state === "alarm" ? "Alarm" : "Warning";
  return `${word}: ${reason(first)}${more.length ? ` and ${more.length} more` : ""}`;
}

// A coil is not "OK" because nobody has set a limit: name the classes with defects that no limit covers.
export function noLimitText({ without_limit: labels }) {
  if (!labels.length) return "";
  return labels.length > 2 ? `No limit for ${labels.length} classes` : `No limit for ${labels.join(" and ")}`;
}

// The state for the colour of a mark: "" for a coil whose state says nothing about some of its defects.
export const stateMark = (row) => (row.state === "ok" && row.without_limit.length ? "" : (row.state ?? ""));

export function reasonsText(row) {
  const reasons = row.exceeded.map((each) => `${reason(each)} (${limitText(each)})`);
  const labels = row.without_limit;
  return [...reasons, ...(labels.length ? [`No limit for ${labels.join(", ")} (limits.defect_frames_per_100_m)`] : [])].join("; ");
}

// The rate of defective frames: per 100 m, or a percentage of the frames where no strip position is known.
export function rateText(row) {
  const unit = row.rate_unit === "frames_per_100_m" ? "per 100 m" : "% (no strip positions)";
  return `defective frames: ${amount(row.rate)} ${unit}`;
}
