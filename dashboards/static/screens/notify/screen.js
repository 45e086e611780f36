// Notify: who is told, whether it arrived, and once more if it did not.
import { html } from "../../view.js";
import { post } from "../../api.js";
import { boot, may } from "../../boot.js";
import { Answer, Empty, Time, toast, toastProblem, useAnswer } from "../../ui.js";

/** Do it and say how it went; `says` makes the sentence of the answer. */
const tell = async (path, says) => {
  try {
    toast(...says(await post(path)));
  } catch (error) {
    toastProblem(error);
  }
};
const tested = (it) => (it.delivered ? [`Delivered, answered ${it.status}.`] : [`Not delivered: ${it.error || it.status}`, { kind: "problem" }]);
const can = () => may("engineer");

function Hooks() {
  const hooks = useAnswer("/api/v1/webhooks");
  return html`<section class="card scroll" tabindex="0" aria-label="Webhooks"><h2>Webhooks</h2><${Answer} of=${hooks}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Name</th><th>URL</th><th>Told of</th><th>From</th><th>Format</th><th></th></tr></thead><tbody>${items.map((each) => html`<tr key=${each.id}><td>${each.name}${!each.enabled && html` <span class="chip">paused</span>`}</td><td class="mono">${each.url}</td><td>${each.about}</td><td>${each.severity}${each.filter && html`<br /><code>${each.filter}</code>`}</td><td>${each.format}</td><td><button class="btn small" disabled=${!can()} onClick=${() => tell(`/api/v1/webhooks/${each.id}/test`, tested)}>Send test</button></td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nobody is told">Add a webhook with POST /api/v1/webhooks.<//>`)}<//>
    ${!can() && html`<p class="dim">You are ${boot.role}; changing and testing webhooks needs the role engineer, which an administrator can grant.</p>`}</section>`;
}

const aboutOf = (it) => html`<a href=${`/alarms?state=all&q=${it.incident_id ? `incident:${it.incident_id}` : `id:${it.alarm_id}`}`}>${it.incident_id ? "Incident" : "Alarm"} ${it.transition}</a>`;

function Log() {
  const log = useAnswer("/api/v1/deliveries", ["incident", "alarm"]);
  return html`<section class="card scroll" tabindex="0" aria-label="Delivery log"><h2>Delivery log</h2><${Answer} of=${log}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>At</th><th>To</th><th>What</th><th>State</th><th class="num">Tries</th><th>Answer</th><th></th></tr></thead><tbody>${items.map((each) => html`<tr key=${each.id}><td><${Time} at=${each.at} /></td><td>${each.webhook}</td><td>${aboutOf(each)}</td><td>${each.state}</td><td class="num">${each.attempts}</td><td>${each.error || each.status || "–"}</td><td><button class="btn small" disabled=${!can()} onClick=${() => tell(`/api/v1/deliveries/${each.id}/replay`, () => ["Queued again."]).then(log.again)}>Send again</button></td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nothing sent yet">Each message and its answer is listed here.<//>`)}<//></section>`;
}

export default () => html`<div class="stack"><h1>Notify</h1><${Hooks} /><${Log} /></div>`;
