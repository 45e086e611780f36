// Alarms as a ribbon, each over the time it stood; told in words to who does not see it.
import { html } from "./view.js";
import { ribbonOf } from "./chart_model.js";
import { clock } from "./format.js";
import { Mark } from "./marks.js";

const TOLD_MAX = 12;

/** `range` in ms. */
export function Ribbon({ alarms, range }) {
  const parts = ribbonOf(alarms, range);
  const told = parts.map((part) => `${part.tone} from ${clock(new Date(part.from).toISOString())}: ${part.text}`).slice(0, TOLD_MAX);
  return html`<div class="ribbon" role="img" data-testid="ribbon" data-alarms=${parts.length} aria-label=${parts.length ? `Alarms: ${told.join("; ")}` : "No alarm in this span"}>
    ${parts.map((part) => html`<i key=${part.id} title=${part.text} style=${{ left: `${part.left}%`, width: `${part.width}%`, "--tone": `var(--${part.tone})` }}><${Mark} tone=${part.tone} /></i>`)}</div>`;
}
