// The table of cameras, grouped by line.

import { healthButton, updateHealth } from "./camera_health.js";
import { ago, byId, fillGroups, flagsText, number } from "./dom.js";

const SILENT_MS = 10000;

export function showCameras(state) {
  const isLate = (row) => state.now_ms - row.last_ms > SILENT_MS;
  const columns = [
    { name: "Camera", head: true, cell: (row) => row.camera },
    { name: "Health", text: true, node: (row) => healthButton(row.id) },
    { name: "Last frame", cell: (row) => ago(state.now_ms - row.last_ms), mark: (row) => (isLate(row) ? "warn" : "") },
    { name: "Frames", cell: (row) => number((row.inspected ?? 0) + (row.skipped ?? 0) + (row.rejected ?? 0)) },
    { name: "With defects", cell: (row) => number(row.defects) },
    { name: "Unsure", cell: (row) => number(row.unsure) },
    { name: "Novel", cell: (row) => number(row.novel), mark: (row) => (row.novel ? "" : "zero") },
    { name: "Rejected", cell: (row) => number(row.rejected), mark: (row) => (row.rejected ? "bad" : "zero") },
    { name: "Skipped", cell: (row) => number(row.skipped), mark: (row) => (row.skipped ? "warn" : "zero") },
    { name: "Flags", text: true, cell: (row) => flagsText(row.flags) || "none", mark: (row) => (flagsText(row.flags) ? "bad" : "zero") },
  ];
  fillGroups(byId("cameras"), columns, state.lines.map((line) => ({
    key: line.line,
    heading: state.lines.length > 1 ? groupName(line, state.now_ms) : "",
    rows: line.cameras.map((camera) => ({ ...camera, key: camera.camera, id: `${line.line}\n${camera.camera}` })),
  })));
  for (const line of state.lines) {
    for (const { camera, health } of line.cameras) {
      updateHealth(`${line.line}\n${camera}`, { camera, line: line.line, health, now_ms: state.now_ms });
    }
  }
}

function groupName(line, nowMs) {
  const name = line.line ? line.line : "Unnamed line";
  return line.stopped ? `${name} · stopped ${ago(nowMs - line.last_ms)}` : name;
}
