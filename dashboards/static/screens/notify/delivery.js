// One message: each attempt to deliver it and what the other side answered.
import { html } from "../../view.js";
import { span } from "../../format.js";
import { Answer, Dialog, Empty, Time, useAnswer } from "../../ui.js";

export function Delivery({ id, onClose }) {
  const found = useAnswer(`/api/v1/deliveries/${encodeURIComponent(id)}`, ["delivery"]);
  return html`<${Dialog} class="wide" label="Delivery" onClose=${onClose}><div class="inside"><${Answer} of=${found}>${(it) => html`<h2>${it.webhook}: ${it.incident_id ? "incident" : it.alarm_id ? "alarm" : ""} ${it.transition}</h2>
    <dl class="facts"><dt>Message</dt><dd class="mono">${it.id}</dd><dt>Made</dt><dd><${Time} at=${it.at} /></dd><dt>State</dt><dd>${it.state}${it.done_at && html`, <${Time} at=${it.done_at} />`}</dd><dt>Revision</dt><dd>${it.revision}</dd></dl>
    ${it.tries.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Attempts"><table class="plain"><thead><tr><th>At</th><th>Outcome</th><th class="num">Status</th><th class="num">Took</th><th>Error</th><th>Reply</th></tr></thead>
      <tbody>${it.tries.map((each) => html`<tr key=${each.attempt}><td><${Time} at=${each.at} /></td><td>${each.outcome}</td><td class="num">${each.status || "–"}</td><td class="num">${span(each.took_ms)}</td><td>${each.error || "–"}</td><td class="mono" title=${each.reply}>${each.reply || "–"}</td></tr>`)}</tbody></table></div>` : html`<${Empty} title="Not tried yet" />`}`}<//>
    <footer><button class="btn primary" onClick=${onClose}>Close</button></footer></div><//>`;
}
