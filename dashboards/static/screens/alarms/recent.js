// Four hours of traffic of the interface an alarm is about, loaded only when it is looked at.
import { html, useMemo } from "../../view.js";
import { Traffic, seriesPaths } from "../../traffic.js";

const SPAN_MS = 4 * 3_600_000;

export function Recent({ alarm }) {
  const paths = useMemo(() => seriesPaths(alarm.resource_id, SPAN_MS, 240), [alarm.resource_id]);
  return html`<section class="card"><h2>Traffic, last 4 h</h2><${Traffic} paths=${paths} label=${`Traffic of ${alarm.device} ${alarm.object}, last four hours`} height=${120} /></section>`;
}
