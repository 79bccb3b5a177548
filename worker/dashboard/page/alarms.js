// Alarms: large, audible once, and acknowledged by a person.

import { limitText, reason } from "./coil_state.js";
import { byId, clockTime, coilPhrase, lineName, make } from "./dom.js";
import { post } from "./sign_in.js";
import { sound } from "./sound.js";

const TITLE = document.title;
const LISTED = 8;
let drawn = "";
let problem = "";
let busy = false;
let latest = null;

function headline(alarms) {
  const lines = new Map();
  for (const alarm of alarms) if (!lines.has(alarm.line)) lines.set(alarm.line, alarm);
  return [...lines.values()].slice(0, 2);
}

// Name the line where there are several, and the coil if it is not the one on the strip map.
const where = (alarm, many) => (many ? `${lineName(alarm.line)} ` : "") + (alarm.followed ? `${coilPhrase(alarm)}, ` : "");

export function showAlarms(state) {
  latest = state;
  const open = state.alarms.filter((alarm) => !alarm.acknowledged);
  const present = open.filter((alarm) => alarm.running);
  document.title = present.length ? `ALARM · ${TITLE}` : TITLE;
  sound(present.map((alarm) => `${alarm.id} ${alarm.coil_id}`)); // a later coil may have the same name, or none
  const content = JSON.stringify([state.alarms, state.can_acknowledge, state.lines.length, problem, busy]);
  if (content === drawn) return;
  drawn = content;
  drawBanner(open, present, state);
  drawSeen(state.alarms.filter((alarm) => alarm.acknowledged));
}

function drawBanner(open, present, state) {
  const many = state.lines.length > 1;
  byId("alarm").hidden = open.length === 0;
  byId("alarm").dataset.when = present.length ? "present" : "earlier";
  const words = headline(present).map((alarm) => `ALARM ${where(alarm, many)}${reason(alarm)}`);
  const big = byId("alarm-headline");
  if (big.dataset.words !== words.join("\n")) {
    big.dataset.words = words.join("\n");
    big.replaceChildren(...words.map((text) => make("span", "big", text)));
  }
  announce(present, many);
  const title = present.length ? "" : `Alarms of earlier coils that nobody has acknowledged: ${open.length}`;
  byId("alarm-earlier").textContent = title;
  byId("alarm-list").replaceChildren(...open.slice(0, LISTED).map((alarm) => make("li", "", sentence(alarm, many))));
  byId("alarm-more").textContent = open.length > LISTED ? `and ${open.length - LISTED} more` : "";
  const button = byId("acknowledge");
  button.hidden = !state.can_acknowledge;
  button.disabled = busy;
  button.textContent = open.length > 1 ? `Acknowledge ${open.length} alarms` : "Acknowledge";
  byId("alarm-problem").textContent = problem;
  button.onclick = () => acknowledge(open.map((alarm) => alarm.id));
}

// Screen readers announce each alarm once. The figures of the headline change with every frame.
function announce(present, many) {
  const spoken = byId("alarm-spoken");
  const ids = present.map((alarm) => alarm.id).sort().join(" ");
  if (spoken.dataset.ids === ids) return;
  spoken.dataset.ids = ids;
  spoken.textContent = present.length ? `Alarm. ${present.slice(0, LISTED).map((alarm) => sentence(alarm, many)).join(". ")}.` : "";
}

function sentence(alarm, many) {
  const line = many ? `${lineName(alarm.line)}, ` : "";
  const past = alarm.active ? "" : ", within the limit again";
  return `${line}${coilPhrase(alarm)}: ${reason(alarm)} (${limitText(alarm)})${past}, since ${clockTime(alarm.raised_at)}`;
}

// An acknowledged alarm of a running coil needs no attention, but is not over. What one person acknowledged for a coil
// takes one line.
function drawSeen(alarms) {
  const coils = new Map();
  for (const alarm of alarms) {
    const key = `${alarm.coil_id} ${alarm.acknowledged.by}`;
    coils.set(key, [...(coils.get(key) ?? []), alarm]);
  }
  byId("alarms-seen").hidden = alarms.length === 0;
  byId("alarms-seen").replaceChildren(
    ...[...coils.values()].slice(0, LISTED).map((of) => {
      const { by, at } = of[0].acknowledged;
      const reasons = of.map((alarm) => `${reason(alarm)} (${limitText(alarm)})`).join(", ");
      return make("li", "", `${coilPhrase(of[0])}: ${reasons}, acknowledged by ${by} at ${clockTime(at)}`);
    }),
  );
}

async function acknowledge(ids) {
  if (busy) return;
  [busy, problem] = [true, ""];
  try {
    await post("/alarms/acknowledge", { ids });
  } catch (error) {
    problem = `${error.message}.`;
  }
  busy = false;
  showAlarms(latest); // the server may be unreachable, so that no further state comes
}
