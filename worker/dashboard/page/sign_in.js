// Signs in the person who writes, and sends requests that write. Reading needs no sign-in.

import { byId } from "./dom.js";

const KEY = "stripwatch-person";
let offer = { writing: false, sign_in: "off", person: null };
let proof = saved(); // {name, token}; kept until the tab is closed
let waiting = null; // resolves the question in the dialog

function saved() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null; // storage may be disabled
  }
}

function keep(found) {
  proof = found;
  try {
    if (found) sessionStorage.setItem(KEY, JSON.stringify(found));
    else sessionStorage.removeItem(KEY);
  } catch {
    // without storage, the person stays signed in until the page is closed
  }
  show();
}

// Return whether anybody may write on this page.
export const mayWrite = () => offer.writing;

const person = () => offer.person ?? proof?.name ?? null;

function show() {
  const button = byId("sign-in-button");
  button.hidden = !offer.writing || offer.sign_in === "proxy";
  button.textContent = proof ? `Sign out ${proof.name}` : "Sign in";
}

function headers() {
  const found = { "content-type": "application/json" };
  if (proof) {
    found.authorization = `Bearer ${proof.token}`;
    if (offer.sign_in === "name_and_token") found["x-stripwatch-name"] = encodeURIComponent(proof.name);
  }
  return found;
}

// Send a request that writes. Return the answer, or null if the person closes the sign-in. Throws an Error with one
// sentence if the request was refused or the server cannot be reached.
export async function post(path, body) {
  if (!person() && !(await ask())) return null;
  let answer = await send(path, body);
  if (answer.status === 401 && offer.sign_in !== "proxy") {
    keep(null);
    if (!(await ask((await answer.json()).error))) return null;
    answer = await send(path, body);
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `the server answered ${answer.status}`);
  return content;
}

async function send(path, body) {
  try {
    return await fetch(path, { method: "POST", headers: headers(), body: JSON.stringify(body) });
  } catch {
    throw new Error("the server is unreachable; nothing was written");
  }
}

// Ask for name and token in the dialog. Resolves to true once the server has accepted them.
function ask(problem = "") {
  if (offer.sign_in === "proxy" || offer.sign_in === "off") return Promise.resolve(true); // the server explains
  byId("sign-in-problem").textContent = problem;
  byId("sign-in-name-row").hidden = offer.sign_in !== "name_and_token";
  byId("sign-in-name").required = offer.sign_in === "name_and_token";
  byId("sign-in-token").value = "";
  if (!byId("sign-in").open) byId("sign-in").showModal();
  return new Promise((resolve) => { waiting = resolve; });
}

function settle(accepted) {
  waiting?.(accepted);
  waiting = null;
}

async function submit(event) {
  event.preventDefault();
  const typed = { name: byId("sign-in-name").value.trim(), token: byId("sign-in-token").value.trim() };
  proof = typed;
  try {
    const answer = await send("/access", {});
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    keep({ ...typed, name: content.person });
    settle(true);
    byId("sign-in").close();
  } catch (error) {
    proof = null;
    byId("sign-in-problem").textContent = error.message;
  }
}

export async function startSignIn() {
  byId("sign-in-button").addEventListener("click", () => (proof ? keep(null) : ask()));
  byId("sign-in-form").addEventListener("submit", submit);
  byId("sign-in-cancel").addEventListener("click", () => byId("sign-in").close());
  byId("sign-in").addEventListener("close", () => settle(false));
  try {
    const answer = await fetch("/access.json");
    if (answer.ok) offer = await answer.json();
  } catch {
    // the status bar already reports that the server is unreachable
  }
  show();
}
