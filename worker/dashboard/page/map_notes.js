// The legend of a strip map, and sentences about the settings and headers that it lacks.

import { NOVEL } from "./classes.js";
import { cameraSetting } from "./dom.js";

const NAMES_LISTED = 3;

// Return {kinds: [[class, text]], sentences}: the colours in use, and what is missing.
export function explanation(map, running) {
  const placed = Boolean(map.strip);
  const covered = placed && map.lanes.some((lane) => lane.covered.length);
  const kinds = [
    [covered, "steel", "inspected"],
    [placed && map.lanes.some((lane) => lane.lacks), "unknown", "inspected, but the part of the strip is unknown"],
    [covered, "gap", "not covered by an inspected frame"],
    [placed && map.labels.includes(NOVEL), "novel", "novel: the model was not trained on such frames"],
    [placed && running, "wait", "no results yet"],
  ];
  return {
    kinds: kinds.filter(([used]) => used).map(([, kind, text]) => [kind, text]),
    sentences: [...missingPosition(map), ...missingScale(lacking(map, "mm_per_px"))],
  };
}

const lacking = (map, what) => map.lanes.filter((lane) => lane.lacks === what).map((lane) => lane.camera);

function missingPosition(map) {
  if (!map.strip) return ["These frames carry no strip position (header ce_strippositionmm)."];
  const cameras = lacking(map, "position");
  return cameras.length ? [`The frames of ${listed(cameras)} carry no strip position (header ce_strippositionmm).`] : [];
}

function missingScale(cameras) {
  if (!cameras.length) return [];
  const settings = listed(cameras.map((camera) => cameraSetting(camera, "mm_per_px")));
  return [`Set ${settings} in the settings of the workers to show which part of the strip was inspected.`];
}

function listed(names) {
  const more = names.length - NAMES_LISTED;
  return names.slice(0, NAMES_LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
