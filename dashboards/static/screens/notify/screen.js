// Notify: who is told, whether it arrived, and once more if it did not.
import { html, useSignal } from "../../view.js";
import { post, remove, send, target } from "../../api.js";
import { boot, may } from "../../boot.js";
import { count, plural } from "../../format.js";
import { Mark } from "../../marks.js";
import { setQuery } from "../../router.js";
import { Tabs, tabOf } from "../../tabs.js";
import { told } from "../../told.js";
import { Answer, Dialog, Empty, Time, lazy, useAnswer } from "../../ui.js";
import { Delivery } from "./delivery.js";
import { Editor } from "./editor.js";

const can = () => may("engineer");
const STATES = { "": "all", pending: "waiting", delivered: "delivered", failed: "failed" };
const TONES = { failed: "major", pending: "warning", delivered: "cleared" };

const tested = (it) => (it.delivered ? [`Delivered, answered ${it.status}.`] : [`Not delivered: ${it.error || it.status}`, { kind: "problem" }]);

function Hook({ it, again, sent, edit, drop }) {
  const pause = () => told(send("PATCH", `/api/v1/webhooks/${it.id}`, { enabled: !it.enabled }), () => [it.enabled ? `${it.name} is paused; of what happens meanwhile it hears endings only.` : `${it.name} is told again.`]).then(again);
  return html`<tr><td>${it.name}${!it.enabled && html` <span class="chip">paused</span>`}</td><td class="mono">${it.url}</td><td>${it.about}</td><td>${it.severity}${it.filter && html` <code>${it.filter}</code>`}</td><td>${it.format}</td>
    <td><span class="row acts"><button class="btn small" disabled=${!can()} onClick=${() => told(post(`/api/v1/webhooks/${it.id}/test`), tested).then(sent)}>Send test</button>
      <button class="btn small" disabled=${!can()} onClick=${edit}>Edit</button>
      <button class="btn small" disabled=${!can()} onClick=${pause}>${it.enabled ? "Pause" : "Go on"}</button>
      <button class="btn small" disabled=${!can()} onClick=${drop}>Delete</button></span></td></tr>`;
}

function Sure({ it, again, onClose }) {
  const drop = async () => {
    if (await told(remove(`/api/v1/webhooks/${it.id}`), () => [`${it.name} was removed.`])) again();
    onClose();
  };
  return html`<${Dialog} label=${`Delete ${it.name}`} onClose=${onClose}><div class="inside"><h2>Delete ${it.name}?</h2>
    <p>It is told nothing more; what waits for it is given up, its secrets are destroyed. The delivery log stays.</p>
    <footer><button class="btn" onClick=${onClose} autofocus>Keep it</button><button class="btn primary" onClick=${drop}>Delete</button></footer></div><//>`;
}

function Hooks({ hooks, sent }) {
  const asking = useSignal(null);
  const close = () => { asking.value = null; };
  const { what, it } = asking.value || {};
  return html`<section class="card scroll" tabindex="0" aria-label="Webhooks"><header><h2>Webhooks</h2><span class="grow" /><button class="btn small primary" disabled=${!can()} onClick=${() => { asking.value = { what: "edit", it: null }; }}>New webhook</button></header>
    <${Answer} of=${hooks}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Name</th><th>URL</th><th>Told of</th><th>From</th><th>Format</th><th><span class="hidden-text">Acts</span></th></tr></thead>
      <tbody>${items.map((each) => html`<${Hook} key=${each.id} it=${each} again=${hooks.again} sent=${sent} edit=${() => { asking.value = { what: "edit", it: each }; }} drop=${() => { asking.value = { what: "drop", it: each }; }} />`)}</tbody></table>`
    : html`<${Empty} title="Nobody is told">A webhook tells a ticket system, a chat or a program of each root cause, signed, until it has arrived.<//>`)}<//>
    ${!can() && html`<p class="dim">You are ${boot.role}; changing and testing webhooks needs the role engineer, which an administrator can grant.</p>`}
    ${what === "edit" && html`<${Editor} it=${it} again=${hooks.again} onClose=${close} />`}${what === "drop" && html`<${Sure} it=${it} again=${hooks.again} onClose=${close} />`}</section>`;
}

const aboutOf = (it) => (it.transition === "test" ? html`<span class="dim">test message</span>` : html`<a href=${target("/alarms", { state: "all", q: it.incident_id ? `incident:${it.incident_id}` : `id:${it.alarm_id}` })}>${it.incident_id ? "Incident" : "Alarm"} ${it.transition}</a>`);

function Log({ hooks, log, state, webhook }) {
  const open = useSignal(null);
  const replay = (it) => told(post(`/api/v1/deliveries/${it.id}/replay`), () => ["Queued again."]).then(log.again);
  return html`<section class="card scroll" tabindex="0" aria-label="Delivery log"><header><h2>Delivery log</h2><span class="dim">${log.data && plural(log.data.total, "message")}</span><span class="grow" />
      ${Object.entries(STATES).map(([name, says]) => html`<button class="btn small" aria-pressed=${name === state ? "true" : "false"} onClick=${() => setQuery({ state: name })}>${says}</button>`)}
      <select class="field" aria-label="Webhook" onChange=${(e) => setQuery({ webhook: e.target.value })}><option value="">every webhook</option>${(hooks.data?.items || []).map((each) => html`<option value=${each.id} selected=${each.id === webhook}>${each.name}</option>`)}</select></header>
    <${Answer} of=${log}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>At</th><th>To</th><th>What</th><th>State</th><th class="num">Tries</th><th>Answer</th><th><span class="hidden-text">Acts</span></th></tr></thead><tbody>${items.map((each) => html`<tr key=${each.id}><td><${Time} at=${each.at} /></td><td>${each.webhook}</td><td>${aboutOf(each)}</td><td><${Mark} tone=${TONES[each.state]} /> ${STATES[each.state]}${each.next_at && html` <span class="dim">next <${Time} at=${each.next_at} /></span>`}</td><td class="num">${count(each.attempts)}</td><td>${each.error || each.status || "–"}</td>
      <td><span class="row acts"><button class="btn small" onClick=${() => { open.value = each.id; }}>Tries</button><button class="btn small" disabled=${!can()} onClick=${() => replay(each)}>Send again</button></span></td></tr>`)}</tbody></table>`
    : html`<${Empty} title=${state || webhook ? "No such message" : "Nothing sent yet"}>Each message and its answer is listed here.<//>`)}<//>
    ${open.value && html`<${Delivery} id=${open.value} onClose=${() => { open.value = null; }} />`}</section>`;
}

function Webhooks({ url }) {
  const state = url.searchParams.get("state") || "";
  const webhook = url.searchParams.get("webhook") || "";
  const hooks = useAnswer("/api/v1/webhooks");
  const log = useAnswer(target("/api/v1/deliveries", { state, webhook }), ["delivery", "incident", "alarm"], 0, { keep: true });
  return html`<${Hooks} hooks=${hooks} sent=${log.again} /><${Log} hooks=${hooks} log=${log} state=${state} webhook=${webhook} />`;
}

const TABS = [["webhooks", "Webhooks and log"], ["plan", "Plan"], ["on-call", "On call and tickets"], ["notices", "Notices"], ["calendar", "Planned work"]];
const VIEWS = {
  webhooks: Webhooks,
  plan: lazy(async () => (await import("./plan.js")).Plan),
  "on-call": lazy(async () => (await import("./oncall.js")).OnCall),
  notices: lazy(async () => (await import("./letters.js")).Letters),
  calendar: lazy(async () => (await import("./calendar.js")).Calendar),
};

export default function Notify({ url }) {
  const tab = tabOf(TABS);
  return html`<div class="stack"><div class="row"><h1>Notify</h1><${Tabs} path="/notify" tabs=${TABS} label="Notify" /></div><${VIEWS[tab]} key=${tab} url=${url} /></div>`;
}
