// Follows a search of Kafka on the server. Closing the stream cancels the search.

import { number } from "./dom.js";

// Ask for a path that answers with the events progress, and then done or failed. Return a function that cancels it.
export function follow(path, { progress, done, failed }) {
  const events = new EventSource(path);
  const finish = (act) => (event) => {
    events.close();
    act(JSON.parse(event.data));
  };
  events.addEventListener("progress", (event) => progress(progressText(JSON.parse(event.data))));
  events.addEventListener("done", finish(done));
  events.addEventListener("failed", finish((answer) => failed(answer.error)));
  events.addEventListener("error", () => {
    events.close(); // a browser would search again
    failed("the server is unreachable");
  });
  return () => events.close();
}

function progressText({ ahead, read, total }) {
  if (ahead > 0) return `Waiting for ${ahead} other ${ahead === 1 ? "search" : "searches"}`;
  if (total === 0) return "Asking Kafka";
  return `Reading Kafka: ${number(read)} of ${number(total)} records`;
}

export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
