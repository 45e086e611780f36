// The severity cards with the alarm rate, on Now and Alarms.
import { html } from "./view.js";
import { target } from "./api.js";
import { count, title } from "./format.js";
import { Mark } from "./marks.js";
import { region, regionFilter } from "./place.js";
import { rateOf } from "./screens/alarms/model.js";
import { SEVERITIES } from "./severity.js";
import { Spark } from "./spark.js";
import { useAnswer } from "./ui.js";

const FLOOD = 10;

/** Counts and rate; with a region chosen the counts are of what matches it, the rate stays the network's. Undefined while loading. */
export function useSummary() {
  const summary = useAnswer("/api/v1/alarms/summary", ["alarm"]);
  const q = [regionFilter(), "-suppressed", "-shelved"].join(" ");
  const part = useAnswer(region.value ? target("/api/v1/alarms", { q, state: "active", limit: 1 }) : null, ["alarm"]);
  if (!region.value) return summary.data;
  return summary.data && part.data && { ...summary.data, counts: part.data.counts };
}

function Kpi({ severity, n }) {
  const known = n !== undefined;
  return html`<a class="kpi" data-testid=${`kpi-${severity}`} href=${`/alarms?q=severity:${severity}`} style=${{ "--tone": `var(--${severity})` }} data-zero=${known && !n ? "" : undefined}>
    <${Mark} tone=${n === 0 ? "normal" : severity} /><span><strong data-live-value>${known ? count(n) : "–"}</strong><span>${title(severity)}</span></span>
  </a>`;
}

function Rate({ summary }) {
  const { rate, values } = rateOf(summary);
  return html`<div class="kpi rate" data-testid="kpi-rate"><span>Alarms / 10 min (target ≤ 1, flood from ${FLOOD})</span>
    <${Spark} values=${values} limit=${FLOOD} label=${`alarms per ten minutes, newest ${rate}`} /><strong data-live-value>${count(rate)}</strong></div>`;
}

export function Kpis({ summary }) {
  const counts = summary?.counts || {};
  return html`<section class="kpis" aria-label="Active alarms by severity">
    ${SEVERITIES.map((severity) => html`<${Kpi} severity=${severity} n=${summary ? counts[severity] || 0 : undefined} />`)}
    <a class="kpi" data-testid="kpi-cleared" href="/alarms?state=cleared"><${Mark} tone="cleared" /><span><strong class="dim" data-live-value>${summary ? count(summary.cleared_1h) : "–"}</strong><span>Cleared 1 h</span></span></a>
    <${Rate} summary=${summary} />
  </section>`;
}
