// Keyboard: bindings of the shell and of the screen on top, two-key sequences ("g a"), off switch for single keys (WCAG 2.1.4).
import { useLayoutEffect } from "./view.js";
import { singleKeys } from "./prefs.js";

const SEQUENCE_MS = 1200;
const layers = [];
let prefix = "";
let prefixAt = 0;

/** @typedef {Object<string, [string, (event: KeyboardEvent) => void]>} Bindings key -> [what it does, act] */

/** Bind keys while a component is shown; later layers win. */
export function useKeys(bindings) {
  useLayoutEffect(() => {
    layers.push(bindings);
    return () => layers.splice(layers.indexOf(bindings), 1);
  });
}

/** Every binding that works now, for the help and the palette: [key, what it does, act]. */
export function bindingsNow() {
  const found = new Map();
  for (const layer of layers) for (const [key, [says, act]] of Object.entries(layer)) found.set(key, [key, says, act]);
  return [...found.values()];
}

function nameOf(event) {
  if (event.altKey) return "";
  if (event.ctrlKey || event.metaKey) return `Ctrl+${event.key.toLowerCase()}`;
  return event.key.length > 1 && event.shiftKey ? `Shift+${event.key}` : event.key;
}

const typing = (element) => element.isContentEditable || /^(input|textarea|select)$/i.test(element.tagName);
const usesItself = (element, key) => (key === "Enter" || key === " ") && element.closest("a, button, summary, [role=button]");

function bound(name) {
  for (let i = layers.length - 1; i >= 0; i -= 1) if (layers[i][name]) return layers[i][name];
  return undefined;
}

addEventListener("keydown", (event) => {
  const name = nameOf(event);
  if (!name || event.defaultPrevented) return;
  const plain = !name.startsWith("Ctrl+") && name !== "Escape";
  if (plain && (typing(event.target) || document.querySelector("dialog[open]") || usesItself(event.target, name))) return;
  if (plain && name.length === 1 && singleKeys.value === "off") return;
  const sequence = prefix && Date.now() - prefixAt < SEQUENCE_MS ? `${prefix} ${name}` : "";
  prefix = "";
  const found = (sequence && bound(sequence)) || bound(name);
  if (found) {
    event.preventDefault();
    found[1](event);
  } else if (layers.some((layer) => Object.keys(layer).some((key) => key.startsWith(`${name} `)))) {
    prefix = name;
    prefixAt = Date.now();
  }
});
