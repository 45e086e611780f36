// Four hours of traffic of the interface an alarm is about, loaded only when it is looked at.
import { html, useMemo } from "../../view.js";
import { InterfaceTraffic } from "../../traffic.js";

const SPAN_MS = 4 * 3_600_000;

export function Recent({ alarm }) {
  const alarms = useMemo(() => [alarm], [alarm]);
  return html`<section class="card"><h2>Traffic, last 4 h</h2><${InterfaceTraffic} entity=${alarm.resource_id} name=${`${alarm.device} ${alarm.object}`} spanMs=${SPAN_MS} height=${110} alarms=${alarms} /></section>`;
}
