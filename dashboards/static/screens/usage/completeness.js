// Whether everything that should have been measured was: expected against received, day by day of the last closed month.
import { html } from "../../view.js";
import { count, plural } from "../../format.js";
import { Mark } from "../../marks.js";
import { Answer, useAnswer } from "../../ui.js";

/** A day as a column: its height is the share of good slots, a mark stands on days that lack records. */
function Day({ day, wide, at }) {
  const good = day.slots.expected ? day.slots.good / day.slots.expected : 0;
  const whole = !day.missing && good === 1;
  return html`<g><rect x=${at * wide} y=${40 - 40 * good} width=${wide - 1} height=${40 * good} class=${whole ? "" : "short"} /><title>${day.day}: ${count(day.slots.good)} of ${count(day.slots.expected)} slots good</title></g>`;
}

export function Completeness() {
  const state = useAnswer("/api/v1/usage/completeness");
  return html`<section class="card" aria-label="Completeness"><h2>Completeness</h2><${Answer} of=${state}>${({ period, intervals, points, points_total: lacking }) => {
    const missing = intervals.reduce((sum, day) => sum + day.missing, 0);
    const flawed = intervals.filter((day) => day.slots.good < day.slots.expected);
    const says = `${period}: ${missing ? `${plural(missing, "record")} missing` : "every record is there"}; ${flawed.length ? `${plural(flawed.length, "day")} with slots that are not good (${flawed.slice(0, 8).map((day) => day.day.slice(-2)).join(", ")})` : "every slot is good"}.`;
    return html`<p>${missing > 0 && html`<${Mark} tone="major" label="incomplete" /> `}${says}</p>
      <svg class="days" viewBox=${`0 0 ${intervals.length * 8} 40`} preserveAspectRatio="none" role="img" aria-label=${says}>${intervals.map((day, i) => html`<${Day} day=${day} wide=${8} at=${i} />`)}</svg>
      ${lacking > 0 && html`<ul class="near">${points.slice(0, 5).map((each) => html`<li>${each.resource}: ${count(each.received)} of ${count(each.expected)}</li>`)}</ul>${lacking > 5 && html`<p class="dim">and ${count(lacking - 5)} more metering points</p>`}`}`;
  }}<//></section>`;
}
