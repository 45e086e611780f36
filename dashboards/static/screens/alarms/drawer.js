// Everything about one alarm: what, why, who is hurt, where, since when, and what to do.
import { html } from "../../view.js";
import { boot } from "../../boot.js";
import { count, plural, title } from "../../format.js";
import { Mark } from "../../marks.js";
import { toneOf } from "../../severity.js";
import { Ago, Answer, Time, lazy, useAnswer } from "../../ui.js";
import { acked } from "./model.js";

const Around = lazy(async () => (await import("./around.js")).Around);
const Recent = lazy(async () => (await import("./recent.js")).Recent);
const Beside = lazy(async () => (await import("./beside.js")).Beside);
const FirstLook = lazy(async () => (await import("./first.js")).FirstLook);
const headline = (alarm) => alarm.text || alarm.alarm_type;

function Acts({ alarm, ask, acknowledge }) {
  return html`<div class="row acts">
    <button class="btn primary" onClick=${() => acknowledge([alarm])}>${acked(alarm) ? "Give back" : "Acknowledge"} <kbd>${acked(alarm) ? "u" : "a"}</kbd></button>
    <button class="btn" onClick=${() => ask("shelve")}>Shelve <kbd>s</kbd></button>
    <button class="btn" onClick=${() => ask("comment")}>Comment <kbd>c</kbd></button>
    <button class="btn" onClick=${() => ask("clear")}>Clear <kbd>C</kbd></button>
  </div>`;
}

function Facts({ alarm }) {
  const repair = alarm.proposed_repair;
  return html`<dl class="facts">
    <dt>Raised</dt><dd><${Time} at=${alarm.raised_at} /> (<${Ago} at=${alarm.raised_at} />)</dd>
    <dt>Type</dt><dd>${alarm.event_type}<br /><span class="mono dim">${alarm.alarm_type}</span></dd>
    <dt>Cause</dt><dd>${alarm.probable_cause}</dd>
    <dt>Source</dt><dd>${alarm.source}${alarm.authenticated === false && html` <span class="chip">sender not proven</span>`}</dd>
    <dt>Impact</dt><dd>${plural(alarm.impact?.services || 0, "service")}, ${plural(alarm.impact?.customers || 0, "customer")}</dd>
    ${alarm.shelved && html`<dt>Shelved</dt><dd>${alarm.shelved.reason} · ${alarm.shelved.owner}, until <${Time} at=${alarm.shelved.until} /></dd>`}
    ${repair && html`<dt>Repair</dt><dd>${repair}</dd>`}
  </dl>`;
}

const LIST_MAX = 8;
const told = (items, cls) => html`<ul class=${`told ${cls}`}>${items.map((each) => html`<li>${each}</li>`)}</ul>`;
function list(name, given, cls = "") {
  const items = [...new Set(given || [])];
  return items.length > 0 && html`<h3>${name}</h3>${told(items.slice(0, LIST_MAX), cls)}${items.length > LIST_MAX && html`<details><summary>${count(items.length - LIST_MAX)} more</summary>${told(items.slice(LIST_MAX, 500), cls)}</details>`}`;
}

export function Why({ incident }) {
  const says = incident.explanation || {};
  return html`<section class="card stack why" data-testid="why">
    <header><h2>Why</h2><span class="grow" /><a href=${`/topology?incident=${incident.id}`}>replay</a><span class="chip">${incident.verdict}</span><span class="chip">${Math.round((incident.confidence || 0) * 100)} % sure</span></header>
    <p>${says.summary}</p>
    ${incident.missing_link && html`<p class="unknown hatch"><b>I do not know:</b> the link ${incident.missing_link} is missing from the inventory. <a href="/topology">Look at the map</a></p>`}
    ${list("Evidence", says.evidence, "for")}
    ${list("Expected but not seen", says.missing, "against")}
    ${list("Unknown", says.unknown, "unknown")}
    ${incident.alternatives?.length > 0 && html`<h3>Could also be</h3><ul class="odds">${incident.alternatives.map(
      (each) => html`<li><span class="grow clip">${each.name} <span class="dim">${each.kind}</span></span><meter min="0" max="1" value=${each.odds} aria-label=${`odds of ${each.name}`} /><span class="num">${Math.round(each.odds * 100)} %</span></li>`,
    )}</ul>`}
  </section>`;
}

function Hurt({ incident }) {
  if (!incident.services?.length) return null;
  return html`<section class="card stack"><header><h2>Hurt</h2><span class="grow" /><span class="dim">${plural(incident.customers?.length || 0, "customer")}</span></header>
    <ul class="hurt">${incident.services.slice(0, 20).map((each) => html`<li><a class="grow clip" href=${`/usage?service=${each.id}`}>${each.name}</a><span class="dim clip">${each.customer}</span></li>`)}</ul>
    ${incident.services.length > 20 && html`<p class="dim">and ${count(incident.services.length - 20)} more</p>`}
  </section>`;
}

function Comments({ alarm }) {
  if (!alarm.comments?.length) return null;
  return html`<section class="card"><h2>Comments</h2><ul class="comments">${alarm.comments.slice(-20).map((each) => html`<li><p>${each.text}</p><span class="dim">${each.by}, <${Ago} at=${each.at} /> ago</span></li>`)}</ul></section>`;
}

function Timeline({ alarm }) {
  const events = [...alarm.history].sort((a, b) => (a.at < b.at ? 1 : -1));
  return html`<section class="card"><h2>Timeline</h2><ol class="timeline">
    ${events.slice(0, 100).map((each) => html`<li><${Time} at=${each.at} /> <span>${[each.what, each.severity, each.by].filter(Boolean).join(" · ")}${each.text && html`<br /><span class="dim">${each.text}</span>`}</span></li>`)}
  </ol></section>`;
}

function Detail({ alarm, ask, acknowledge, onClose }) {
  const root = alarm.is_root && alarm.children > 0;
  return html`
    <section class="card stack">
      <header class="who"><span class="mono clip grow">${alarm.device_id ? html`<a href=${`/devices/${alarm.device_id}`}>${alarm.device}</a>` : alarm.device}${alarm.object && ` · ${alarm.object}`}</span>
        <button class="btn small bare" aria-label="Close" onClick=${onClose}>✕ <kbd>Esc</kbd></button></header>
      <h1><${Mark} tone=${toneOf(alarm)} label /> ${headline(alarm)}${root && html` <span class="dim">root of ${plural(alarm.children, "alarm")}</span>`}</h1>
      <${Facts} alarm=${alarm} />
      <${Acts} alarm=${alarm} ask=${ask} acknowledge=${acknowledge} />
      ${alarm.root_alarm_id && alarm.root_alarm_id !== alarm.id && html`<p><a href=${`/alarms?sel=${alarm.root_alarm_id}`}>Follow to its root cause</a></p>`}
    </section>
    ${alarm.incident && html`<${Why} incident=${alarm.incident} /><${FirstLook} incident=${alarm.incident} /><${Hurt} incident=${alarm.incident} /><${Beside} incident=${alarm.incident} />`}
    ${(alarm.device_id || alarm.resource_kind === "link") && html`<${Around} alarm=${alarm} />`}
    ${alarm.resource_kind === "interface" && html`<${Recent} alarm=${alarm} />`}
    <${Comments} alarm=${alarm} /><${Timeline} alarm=${alarm} />`;
}

export function Drawer({ id, version, ...rest }) {
  const detail = useAnswer(id && `/api/v1/alarms/${encodeURIComponent(id)}`, ["alarm", "incident"]);
  return html`<aside class="drawer stack" data-testid="drawer" aria-label="Alarm" data-version=${version}><${Answer} of=${detail} rows=${6}>${(alarm) => html`<${Detail} alarm=${alarm} ...${rest} />`}<//></aside>`;
}

export const NoChoice = () => html`<aside class="drawer stack idle" aria-label="Alarm"><section class="card empty"><b>${title("choose an alarm")}</b>
  <span>to see why, who is hurt and what happened.</span><span><kbd>j</kbd> <kbd>k</kbd> move · <kbd>Enter</kbd> open · <kbd>a</kbd> acknowledge · <kbd>?</kbd> all keys</span>
  ${boot.simulated && html`<span>The network is simulated: break a link on the <a href="/topology">map</a> and watch.</span>`}</section></aside>`;
