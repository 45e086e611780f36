// Parts of a screen under one address: `?tab=NAME`, the first without.
import { html } from "./view.js";
import { query } from "./router.js";

/** @param {[string, string][]} tabs name and title, the first is shown when the address names none */
export const tabOf = (tabs) => (tabs.some(([name]) => name === query.value.get("tab")) ? query.value.get("tab") : tabs[0][0]);

export function Tabs({ path, tabs, label }) {
  const current = tabOf(tabs);
  return html`<nav class="row tabs" aria-label=${label}>${tabs.map(([name, title], i) => html`<a class="btn small" href=${i ? `${path}?tab=${name}` : path} aria-current=${name === current ? "page" : undefined}>${title}</a>`)}</nav>`;
}
