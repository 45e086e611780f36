// How fresh the picture is, as the station tells every few seconds.
import { html, signal } from "./view.js";
import { get } from "./api.js";
import { count, span } from "./format.js";
import { on } from "./live.js";
import { Mark } from "./marks.js";

/** What the whole network (in sight) carries and how much of it was heard lately; null until the first word. */
export const fresh = signal(null);

on("freshness", (told) => {
  if (told) fresh.value = told;
  else get("/api/v1/now").then((found) => { fresh.value = found; }, () => {});
});

export function FreshPill() {
  if (!fresh.value) return null;
  const { heard, interfaces, median_age_s: age } = fresh.value.freshness;
  const whole = heard === interfaces;
  const says = `${count(heard)} of ${count(interfaces)} interfaces heard lately${age === null ? "" : `; the typical newest sample is ${span(age * 1000)} old`}`;
  return html`<span class="pill only-wide" data-testid="fresh" role="img" aria-label=${says} title=${says}>${!whole && html`<${Mark} tone="warning" />`}${count(heard)}<span class="dim">/ ${count(interfaces)}${age === null ? "" : ` · ${span(age * 1000)}`}</span></span>`;
}
