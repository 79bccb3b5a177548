// The sound of alarms: once per alarm. A browser plays sound only after the user has clicked or pressed a key once.

import { byId } from "./dom.js";

const WANTED = "stripwatch-sound";
const PLAYED = "stripwatch-played";
const KEPT = 200;
const TONES = [880, 660, 880, 660]; // Hz; two tones are easier to tell from other machines than one
const TONE_S = 0.35;
let context = null;
let wanted = read(WANTED) !== "off";
let heardHere = []; // without storage, an alarm is not forgotten until the page is closed

function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be disabled
  }
}

// Return the alarms that were heard on this computer, also in other tabs, newest last.
function played() {
  try {
    return new Set(JSON.parse(read(PLAYED) ?? "[]").concat(heardHere));
  } catch {
    return new Set(heardHere);
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // without storage, the choice lasts until the page is closed
  }
}

const isReady = () => wanted && context?.state === "running";

function show() {
  const button = byId("sound");
  button.textContent = isReady() ? "Sound on" : wanted ? "Sound blocked: click" : "Sound off";
  button.classList.toggle("warned", !isReady());
  button.setAttribute("aria-pressed", String(isReady()));
}

// A browser allows sound during a click or a key press.
async function unlock() {
  if (!wanted) return;
  context ??= new AudioContext();
  if (context.state !== "running") await context.resume();
  show();
}

// Play the sound if one of these alarms has not been heard on this computer yet.
export function sound(ids) {
  if (!ids.length || !isReady()) return;
  const heard = played();
  const news = ids.filter((id) => !heard.has(id));
  if (!news.length) return;
  heardHere = [...heard, ...news].slice(-KEPT);
  write(PLAYED, JSON.stringify(heardHere));
  play();
}

function play() {
  TONES.forEach((hertz, at) => {
    const tone = new OscillatorNode(context, { type: "square", frequency: hertz });
    const volume = new GainNode(context, { gain: 0.2 });
    tone.connect(volume).connect(context.destination);
    tone.start(context.currentTime + at * TONE_S);
    tone.stop(context.currentTime + (at + 0.9) * TONE_S);
  });
}

export function startSound() {
  byId("sound").addEventListener("click", async () => {
    const wasReady = isReady();
    wanted = !wasReady;
    write(WANTED, wanted ? "on" : "off");
    if (wanted) await unlock();
    show();
  });
  if (wanted) {
    context = new AudioContext();
    context.addEventListener("statechange", show);
    // The button has its own listener. Not every key or touch unlocks the sound, so all are tried until one does.
    const tried = (event) => isReady() || byId("sound").contains(event.target) || unlock();
    for (const gesture of ["pointerdown", "pointerup", "keydown"]) addEventListener(gesture, tried);
  }
  show();
}
