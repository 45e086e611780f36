// Who is on call now and by when it changes hands, what climbs, and the tickets other systems keep.
import { html, useMemo, useSignal } from "../../view.js";
import { target } from "../../api.js";
import { Answer, Empty, Time, useAnswer } from "../../ui.js";

const EVERY_MS = 60_000;
const STATES = { climbing: "nobody took it yet", acknowledged: "taken", over: "over", exhausted: "told everybody" };

function People({ at }) {
  const found = useAnswer(target("/api/v1/notify/on-call", { at }), [], EVERY_MS, { keep: true });
  return html`<${Answer} of=${found}>${({ items }) => (items.length
    ? html`<table class="plain" data-testid="on-call"><thead><tr><th>Schedule</th><th>Person</th><th>Reached by</th></tr></thead><tbody>${items.map((it) => html`<tr key=${it.schedule}><td>${it.schedule}</td><td><b>${it.person || "nobody"}</b></td><td>${it.receivers.join(", ") || "–"}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title="No schedule">The plan says who is on call: layers of people who take turns.<//>`)}<//>`;
}

function OnCallAt() {
  const at = useSignal("");
  const asked = useMemo(() => (at.value ? new Date(at.value).toISOString() : ""), [at.value]);
  return html`<section class="card scroll" tabindex="0" aria-label="On call"><header><h2>On call ${at.value ? "then" : "now"}</h2><span class="grow" />
    <label class="row">At <input class="field" type="datetime-local" value=${at.value} onChange=${(e) => { at.value = e.target.value; }} /></label>${at.value && html`<button class="btn small" onClick=${() => { at.value = ""; }}>Now</button>`}</header><${People} at=${asked} /></section>`;
}

const linkOf = (about, id) => target("/alarms", { state: "all", q: `${about === "alarm" ? "id" : "incident"}:${id}` });

function Climbing() {
  const found = useAnswer("/api/v1/notify/escalations", ["incident", "delivery"], EVERY_MS);
  return html`<section class="card scroll" tabindex="0" aria-label="Escalations"><header><h2>Escalations</h2></header><${Answer} of=${found}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Of</th><th>Chain</th><th>State</th><th class="num">Step</th><th>Begun</th><th>Next</th></tr></thead><tbody>${items.map((it) => html`<tr key=${`${it.object_id} ${it.begun_at}`}><td><a href=${linkOf(it.about, it.object_id)}>${it.about}</a></td><td>${it.chain}</td><td>${STATES[it.state] || it.state}</td><td class="num">${it.step}</td><td><${Time} at=${it.begun_at} /></td><td><${Time} at=${it.next_at} /></td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nothing climbs">A chain tells more and more people of what nobody takes.<//>`)}<//></section>`;
}

function Tickets() {
  const found = useAnswer("/api/v1/notify/tickets", ["delivery"], EVERY_MS);
  return html`<section class="card scroll" tabindex="0" aria-label="Tickets"><header><h2>Tickets</h2></header><${Answer} of=${found}>${({ items }) => (items.length
    ? html`<table class="plain" data-testid="tickets"><thead><tr><th>Ticket</th><th>Kept by</th><th>Of</th><th>Made</th><th>Closed</th></tr></thead><tbody>${items.map((it) => html`<tr key=${`${it.webhook} ${it.object_id}`}><td class="mono">${it.ticket}</td><td>${it.webhook}</td><td><a href=${linkOf("incident", it.object_id)}>what it is about</a></td><td><${Time} at=${it.created_at} /></td><td><${Time} at=${it.closed_at} /></td></tr>`)}</tbody></table>`
    : html`<${Empty} title="No tickets">A webhook of a ticket system makes one for each root cause and keeps its number here.<//>`)}<//></section>`;
}

export const OnCall = () => html`<${OnCallAt} /><${Climbing} /><${Tickets} />`;
