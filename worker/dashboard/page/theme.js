// Light or dark: that of the system until a person chooses; and the colours of the sheet for a canvas.

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const changed = new Set();
const probe = document.createElement("span");
let kept = new Map();

function saved() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage may be switched off
  }
}

export const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

export function onTheme(listener) {
  changed.add(listener);
}

export function startTheme(button) {
  if (saved() === "dark" || saved() === "light") root.dataset.theme = saved();
  const show = () => {
    if (button) button.textContent = isDark() ? "Light" : "Dark";
    kept = new Map();
    for (const listener of changed) listener();
  };
  button?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // then it lasts until the page is closed
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

// A colour of the sheet as a canvas takes it: custom properties are not resolved, so an element is asked.
export function colour(name) {
  if (!kept.has(name)) {
    if (!probe.isConnected) {
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    kept.set(name, getComputedStyle(probe).color);
  }
  return kept.get(name);
}
