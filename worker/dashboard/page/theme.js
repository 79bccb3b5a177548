// The light or dark theme, which follows the system until the user chooses one, and style sheet colours for a canvas.

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const changed = new Set();
const probe = document.createElement("span");
let kept = new Map();

function saved() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage may be disabled
  }
}

const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

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
      // without storage, the choice lasts until the page is closed
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

// Return a style sheet colour for a canvas. A canvas does not resolve custom properties, so read a computed style.
export function colour(name) {
  if (!kept.has(name)) {
    if (!probe.isConnected) {
      probe.hidden = true;
      probe.style.forcedColorAdjust = "none"; // forced colours would make all classes the same colour
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    kept.set(name, getComputedStyle(probe).color);
  }
  return kept.get(name);
}
