// Corrections of predictions: who decided what about a frame, and the controls in the enlarged view of a card.

import { byId, dateTime, make } from "./dom.js";
import { mayWrite, post } from "./sign_in.js";

let corrections = new Map(); // by event id
let open = null; // the card in the enlarged view
let busy = false;

// Replace the known corrections by those of the server.
export function setCorrections(found) {
  corrections = new Map(Object.entries(found));
  showMarks();
}

// Return an element that shows the correction of a card, now and whenever it changes.
export function correctionMark(card) {
  const mark = make("span", "corrected");
  mark.dataset.event = card.id;
  fillMark(mark);
  return mark;
}

function fillMark(mark) {
  const found = corrections.get(mark.dataset.event);
  mark.hidden = !found;
  mark.textContent = found ? sentence(found) : "";
  mark.closest("button")?.setAttribute("aria-description", mark.textContent); // the name of the button hides its text
}

function showMarks() {
  for (const mark of document.querySelectorAll(".corrected")) fillMark(mark);
  if (open) showDecision();
}

function sentence({ decision, label, by }) {
  if (decision === "confirmed") return `Confirmed as ${label} by ${by}`;
  return `Corrected to ${decision === "not_a_defect" ? "no defect" : label} by ${by}`;
}

function showDecision() {
  const found = corrections.get(open.id);
  byId("decision").textContent = found ? `${sentence(found)}, ${dateTime(found.at)}` : "";
}

// Show the controls for a card in the enlarged view. Without anybody who may write, only decisions are shown.
export async function showCorrection(card) {
  open = card;
  byId("correct-title").textContent = card.novel ? "What does the frame show?" : "Is the prediction right?";
  byId("correct-problem").textContent = "";
  byId("correct-controls").hidden = true;
  byId("correct").hidden = !mayWrite() && !corrections.has(card.id);
  showDecision();
  if (!mayWrite()) return;
  const answer = await fetch(`/corrections/${card.picture}.json`).catch(() => null);
  if (open !== card) return;
  if (!answer?.ok) {
    const content = await answer?.json().catch(() => ({}));
    byId("correct-problem").textContent = content?.error ?? "the server is unreachable";
    return;
  }
  const choices = await answer.json();
  if (open === card) fillControls(choices);
}

function fillControls({ labels, predicted, no_defect: noDefect }) {
  byId("correct-confirm").textContent = `It is ${predicted}`;
  byId("correct-confirm").hidden = !predicted || predicted === noDefect; // "Not a defect" says the same
  byId("correct-kind").value = "";
  const others = labels.filter((label) => label !== predicted);
  byId("correct-label").replaceChildren(new Option("another class …", ""), ...others.map((label) => new Option(label, label)));
  byId("correct-other").hidden = others.length === 0;
  byId("correct-save").disabled = true;
  byId("correct-save-kind").disabled = true;
  byId("correct-controls").hidden = false;
}

async function decide(decision, label = null) {
  if (busy || !open) return;
  const card = open;
  setBusy(true);
  byId("correct-problem").textContent = "";
  byId("decision").textContent = "saving …";
  try {
    const saved = await post("/corrections", { picture: card.picture, decision, label });
    if (saved) corrections.set(card.id, saved);
    if (saved && decision === "new_kind") byId("correct-kind").value = "";
  } catch (error) {
    if (open === card) byId("correct-problem").textContent = error.message;
  } finally {
    setBusy(false);
    showMarks();
  }
}

// The buttons stay focusable: a disabled button would lose the focus, and the keyboard user the place.
function setBusy(now) {
  busy = now;
  byId("correct-controls").setAttribute("aria-busy", String(now));
}

export function startCorrections() {
  byId("correct-confirm").addEventListener("click", () => decide("confirmed"));
  byId("correct-none").addEventListener("click", () => decide("not_a_defect"));
  byId("correct-save").addEventListener("click", () => decide("relabelled", byId("correct-label").value));
  byId("correct-label").addEventListener("change", () => { byId("correct-save").disabled = !byId("correct-label").value; });
  byId("correct-new").addEventListener("submit", (event) => {
    event.preventDefault();
    if (byId("correct-kind").value.trim()) decide("new_kind", byId("correct-kind").value.trim());
  });
  byId("correct-kind").addEventListener("input", () => { byId("correct-save-kind").disabled = !byId("correct-kind").value.trim(); });
  // In the list of classes the arrow keys choose a class, and in the name they move the cursor: not the next card.
  for (const id of ["correct-label", "correct-kind"]) byId(id).addEventListener("keydown", (event) => event.stopPropagation());
  byId("detail").addEventListener("close", () => { open = null; });
}
