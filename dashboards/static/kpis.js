// The severity cards with the alarm rate, on Now and Alarms.
import { html } from "./view.js";
import { count, title } from "./format.js";
import { Mark } from "./marks.js";
import { rateOf } from "./screens/alarms/model.js";
import { SEVERITIES } from "./severity.js";
import { Spark } from "./spark.js";

const FLOOD = 10;

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
