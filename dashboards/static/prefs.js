// What a person chose for this browser: theme, density, single-key shortcuts.
import { effect, signal } from "./view.js";

const YEAR_S = 31_536_000;

function stored(name, fallback, allowed) {
  const found = localStorage.getItem(`trunkline.${name}`);
  const value = signal(allowed.includes(found) ? found : fallback);
  effect(() => localStorage.setItem(`trunkline.${name}`, value.value));
  return value;
}

export const THEMES = ["dark", "light", "contrast"];
export const theme = signal(document.documentElement.dataset.theme);
export const density = stored("density", "dense", ["dense", "comfortable"]);
export const singleKeys = stored("keys", "on", ["on", "off"]);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  // The server paints the first frame in the right theme, so this one travels as a cookie.
  if (document.cookie.includes("trunkline_theme") || theme.value !== "dark") document.cookie = `trunkline_theme=${theme.value}; path=/; max-age=${YEAR_S}; samesite=lax`;
});
effect(() => {
  document.documentElement.dataset.density = density.value;
});

export function nextTheme() {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
}
