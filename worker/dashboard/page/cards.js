// The newest defects and novel frames as pictures with boxes, and a dialog with one of them enlarged. The dialog shows the worker's
// evidence image if the event has one.

import { byId, clockTime, coilName, coilPhrase, dateTime, fillFacts, lineName, make, percent } from "./dom.js";
import { bursts, burstText } from "./bursts.js";
import { classColour, isShown, learn, NOVEL, onFilter } from "./classes.js";
import { correctionMark, showCorrection } from "./correct.js";
import { isWide, makePicture } from "./pictures.js";
import { acrossText, alongText, positionFacts } from "./position.js";

const KEPT = 300;
const REFRESH_MS = 1500;
const ROWS = 2;
const ROWS_OF_WIDE = 3;
const cards = []; // newest first
const nodes = new Map();
let held = false;
let due = null;
let open = null;
const kinds = (card) => (card.novel ? [NOVEL] : card.labels); // what the filter of classes applies to
let plain = false; // show the frame itself instead of the evidence image

export function addCards(news) {
  for (const card of news) {
    learn(card.labels);
    if (!cards.length || card.seq > cards[0].seq) cards.unshift(card);
  }
  cards.length = Math.min(cards.length, KEPT);
  later();
}

export function findCard({ label, camera, coil, start, end }) {
  return cards.find(
    (card) =>
      card.camera === camera && card.coil === coil && kinds(card).includes(label) && card.strip_mm &&
      card.strip_mm[0] <= end && card.strip_mm[1] >= start,
  );
}

const shown = () => cards.filter((card) => kinds(card).some(isShown));

// Constantly changing pictures cannot be examined: the list updates in steps, and pauses while the user hovers over or
// focuses it.
function later() {
  if (due === null) due = setTimeout(() => { due = null; render(); }, nodes.size ? REFRESH_MS : 0);
}

function inUse() {
  const list = byId("cards");
  return list.matches(":hover") || list.contains(document.activeElement);
}

function render(force = false) {
  byId("no-cards").hidden = shown().length > 0;
  byId("no-cards").textContent = cards.length ? "Nothing of the selected classes." : "No defects yet.";
  const paused = held || inUse();
  byId("held").textContent = held ? "Paused." : paused ? "Paused while you use the list." : "";
  if (paused && !force) return later();
  const list = byId("cards");
  const wide = shown().slice(0, 10).filter(isWide).length >= 5;
  list.dataset.wide = String(wide);
  const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const listed = bursts(shown()).slice(0, Math.max(1, columns) * (wide ? ROWS_OF_WIDE : ROWS));
  const now = listed.map(({ card }) => card);
  const wanted = new Set(now.map((card) => card.seq));
  for (const [seq, node] of nodes) {
    if (!wanted.has(seq)) {
      node.remove();
      nodes.delete(seq);
    }
  }
  for (const card of now) if (!nodes.has(card.seq)) nodes.set(card.seq, makeCard(card));
  for (const burst of listed) nodes.get(burst.card.seq).querySelector(".burst").textContent = burstText(burst);
  now.forEach((card, at) => {
    if (list.children[at] !== nodes.get(card.seq)) list.insertBefore(nodes.get(card.seq), list.children[at] ?? null);
  });
}

function makeCard(card) {
  const item = make("li");
  const button = item.appendChild(make("button", "card"));
  button.type = "button";
  button.style.setProperty("--class", `var(--${classColour(kinds(card)[0])})`);
  button.setAttribute("aria-label", `${card.novel ? `novel frame, most like ${card.label}, ${timesText(card)}` : `${card.label}, ${percent(card.score)}`}, camera ${card.camera}, ${[alongText(card), acrossText(card)].filter(Boolean).join(", ")}, ${coilPhrase(card)}`);
  button.append(makePicture(card));
  const text = button.appendChild(make("span", "text"));
  const more = card.labels.length > 1 ? ` +${card.labels.length - 1}` : "";
  text.append(
    ...(card.novel
      ? [make("span", "name novel", "novel"), make("span", "where", `most like ${card.label}`)]
      : [make("span", `name ${card.severity}`, `${card.label}${more}${card.severity === "critical" ? " · critical" : ""}`)]),
    make("span", "where", `${card.camera} · ${alongText(card)}`),
    ...(acrossText(card) ? [make("span", "where", acrossText(card))] : []),
    make("span", "when", `${clockTime(card.captured_at)} · ${card.novel ? timesText(card) : percent(card.score)}`),
    make("span", "burst"),
  );
  text.append(correctionMark(card));
  button.addEventListener("click", () => openCard(card));
  return item;
}

export function openCard(card) {
  open = card;
  byId("detail-title").textContent = card.novel ? "Novel frame" : `${card.labels.join(", ")} – ${percent(card.score)}`;
  byId("detail-picture").replaceChildren(makePicture(card, { large: true, evidence: card.evidence && !plain }));
  byId("plain").hidden = !card.evidence;
  fillFacts(byId("detail-facts"), [
    ...noveltyFacts(card),
    ["Coil", coilName(card)],
    ...positionFacts(card),
    ["Camera", card.camera],
    ["Line", lineName(card.line)],
    ["Captured", dateTime(card.captured_at)],
    ["Boxes", card.boxes.length || (card.novel ? "none: the model cannot tell what it shows" : "none: the defect applies to the whole frame")],
    ["Evidence", { true: "drawn by the worker", false: "not drawn: quota exceeded or queue full" }[card.evidence] ?? "–"],
    ["Model", card.model],
    ["Event", card.id],
  ]);
  const at = shown().findIndex((other) => other.seq === card.seq);
  byId("newer").disabled = at <= 0;
  byId("older").disabled = at < 0 || at >= shown().length - 1;
  showCorrection(card);
  if (!byId("detail").open) byId("detail").showModal();
}

// The score has no unit: only its ratio to the threshold says something.
function noveltyFacts({ novel, label, score, novelty, novelty_threshold: threshold }) {
  if (novelty === null) return [];
  const known = threshold === null ? "" : `, ${novelty > threshold ? "above" : "not above"} the threshold ${figure(threshold)}`;
  const like = novel ? [["Most like", `${label} (${percent(score)}); the model was not trained on such frames`]] : [];
  return [...like, ["Novelty score", `${figure(novelty)}${known}`]];
}

// Say how far the novelty score is above the threshold, "" if their ratio says nothing.
const timesText = ({ novelty, novelty_threshold: threshold }) => (threshold > 0 ? `${(novelty / threshold).toFixed(1)} times the threshold` : "");
const figure = (value) => Number(value.toPrecision(3)).toLocaleString("en-GB", { maximumSignificantDigits: 3 });

function step(by) {
  const list = shown();
  const at = list.findIndex((card) => card.seq === open?.seq);
  if (at >= 0 && list[at + by]) openCard(list[at + by]);
}

export function startCards() {
  byId("hold").addEventListener("click", () => {
    held = !held;
    byId("hold").setAttribute("aria-pressed", String(held));
    render(!held);
  });
  byId("plain").addEventListener("click", () => {
    plain = !plain;
    byId("plain").setAttribute("aria-pressed", String(plain));
    openCard(open);
  });
  byId("newer").addEventListener("click", () => step(-1));
  byId("older").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => byId("detail").close());
  byId("detail").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  onFilter(() => render(true));
  addEventListener("resize", () => render(true));
}
