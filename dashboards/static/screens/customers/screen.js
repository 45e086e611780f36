// Customers: all that is known of one, joined over orders, services, usage, bills, money, faults, levels and talks.
import { html, useSignal } from "../../view.js";
import { post, target } from "../../api.js";
import { may } from "../../boot.js";
import { count, money, title } from "../../format.js";
import { Mark } from "../../marks.js";
import { told } from "../../told.js";
import { Answer, Empty, Time, now, useAnswer } from "../../ui.js";
import { late, major, standing } from "./model.js";

const Box = ({ label, acts, children }) => html`<section class="card scroll" tabindex="0" aria-label=${label}><header><h2>${label}</h2><span class="grow" />${acts}</header>${children}</section>`;
const amount = (minor, currency) => money(major(minor, currency), currency);

/** Rows of a part as a table: [head, cell of a row, whether it is a number]. */
function Rows({ label, rows, columns, none, acts }) {
  return html`<${Box} label=${label} acts=${acts}>${rows.length
    ? html`<table class="plain"><thead><tr>${columns.map(([head, , num]) => html`<th class=${num ? "num" : ""}>${head}</th>`)}</tr></thead>
      <tbody>${rows.map((row, i) => html`<tr key=${row.id || i}>${columns.map(([, cell, num]) => html`<td class=${num ? "num" : ""}>${cell(row)}</td>`)}</tr>`)}</tbody></table>`
    : html`<${Empty} title=${none} />`}<//>`;
}

function Dunning({ id, dunning, again }) {
  const [tone, words] = standing(dunning);
  const reverse = () => told(post(`/api/v1/dunning/cases/${id}/reverse`, { reason: "taken back in the console" }), () => ["The last stage is taken back."]).then(again);
  return html`<${Box} label="Dunning" acts=${dunning.stage > 0 && html`<button class="btn small" onClick=${reverse}>Take the last stage back</button>`}><p><${Mark} tone=${tone} label=${words} /> ${words}${dunning.holds > 0 && html` <span class="dim">· disputes or protections that stand: ${count(dunning.holds)}</span>`}</p><//>`;
}

function Whole({ id }) {
  const state = useAnswer(`/api/v1/customers/${id}/overview`);
  return html`<${Answer} of=${state} rows=${12}>${(of) => html`<div class="stack"><h1>${of.customer.name} <span class="dim">${of.customer.number}</span></h1>
    <p class="dim">${[of.customer.email, of.customer.address.replaceAll("\n", ", "), of.customer.tax_id].filter(Boolean).join(" · ") || "no address is known"}</p>
    <section class="account" aria-label="Account">${(of.account.balances.length ? of.account.balances : [{ amount_minor: 0, currency: of.customer.currency }]).map((each) => html`<div class="kpi"><span><strong>${amount(each.amount_minor, each.currency)}</strong><span>owed</span></span></div>`)}
      <div class="kpi"><span><strong>${count(of.services.filter((each) => each.active).length)}</strong><span>active services</span></span></div><div class="kpi"><span><strong>${count(of.alarms_total)}</strong><span>open alarms</span></span></div></section>
    <div class="customers"><div class="stack">
      <${Rows} label="Services" rows=${of.services} none="No service" columns=${[["Service", (each) => html`<a href=${target("/usage", { service: each.id })}>${each.number}</a>`], ["Name", (each) => each.name], ["Tariff", (each) => each.tariff], ["Level", (each) => each.sla], ["State", (each) => (each.restriction ? html`<${Mark} tone="major" label="restricted" /> ${each.restriction.replaceAll("_", " ")}` : each.active ? "active" : "ended")]]} />
      <${Rows} label="Used this month" rows=${of.usage} none="No usage yet" columns=${[["Service", (each) => of.services.find((one) => one.id === each.service_id)?.number], ["Meter", (each) => each.meter], ["Quantity", (each) => `${count(each.quantity)} ${each.unit}s`, true]]} />
      <${Rows} label="Alarms" rows=${of.alarms} none="Nothing is wrong" columns=${[["Severity", (each) => each.severity], ["What", (each) => html`<a href=${target("/alarms", { q: `id:${each.id}` })}>${each.text || each.alarm_type}</a>`]]} />
      <${Rows} label="Service levels this month" rows=${of.levels} none="Nothing is promised" columns=${[["Service", (each) => each.number || each.service?.number], ["Availability", (each) => each.availability, true]]} />
      <${Rows} label="Interactions" rows=${of.interactions} none="Nobody spoke" columns=${[["When", (each) => html`<${Time} at=${each.creationDate} />`], ["Reason", (each) => each.reason], ["State", (each) => each.status]]} />
    </div><div class="stack">
      <${Rows} label="Open documents" rows=${of.account.open} none="Nothing is open" columns=${[["Number", (each) => html`<a href=${`/usage/invoices/${each.id}`}>${each.number}</a>`], ["Due", (each) => each.due_on], ["Late", (each) => (late(each.due_on, now.value) ? `${late(each.due_on, now.value)} d` : ""), true], ["Open", (each) => amount(each.open_minor, each.currency), true]]} />
      <${Dunning} id=${id} dunning=${of.dunning} again=${state.again} />
      <${Rows} label="Invoices" rows=${of.bills} none="No invoice yet" columns=${[["Number", (each) => html`<a href=${`/usage/invoices/${each.id}`}>${each.number}</a>`], ["Period", (each) => `${each.period_start} – ${each.period_end}`], ["Total", (each) => money(each.total, each.currency), true]]} />
      <${Rows} label="Payments" rows=${of.payments} none="No payment yet" columns=${[["Day", (each) => each.day], ["By", (each) => each.method.replaceAll("_", " ")], ["Amount", (each) => amount(each.amount_minor, each.currency), true]]} />
      <${Rows} label="Agreements" rows=${of.agreements} none="No agreement" columns=${[["Name", (each) => each.name], ["Kind", (each) => each.agreementType], ["State", (each) => each.status]]} />
      <${Rows} label="Orders and tickets" rows=${[...of.orders, ...of.service_orders, ...of.tickets, ...of.problems]} none="Nothing is asked for" columns=${[["What", (each) => each.description || each.name || each.reason || each.id], ["State", (each) => each.status || each.state]]} />
      <${Rows} label="Consent" rows=${of.consents} none="Nothing was agreed to" columns=${[["Purpose", (each) => title(each.purpose)], ["Given", (each) => (each.given ? "yes" : "withdrawn")], ["Said", (each) => html`<${Time} at=${each.at} />`]]} />
    </div></div></div>`}<//>`;
}

export default function Customers({ url }) {
  const id = url.pathname.split("/")[2];
  const text = useSignal("");
  const state = useAnswer(target("/api/v1/customers", { q: text.value, limit: 200 }), [], 0, { keep: true });
  if (id) return may("billing") ? html`<${Whole} id=${decodeURIComponent(id)} key=${id} />` : html`<${Empty} title="Not for this role">A customer's money and records need the role billing.<//>`;
  const acts = html`<input class="field" type="search" aria-label="Find a customer" placeholder="name or number" value=${text.value} onInput=${(e) => { text.value = e.target.value; }} />`;
  return html`<div class="stack"><h1>Customers</h1><${Box} label="Customers" acts=${acts}><${Answer} of=${state}>${({ items, total }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Number</th><th>Name</th></tr></thead><tbody>${items.map((each) => html`<tr key=${each.id}><td><a href=${`/customers/${each.id}`}>${each.number}</a></td><td>${each.name}</td></tr>`)}</tbody></table>${total > items.length && html`<p class="dim">the first ${count(items.length)} of ${count(total)}</p>`}`
    : html`<${Empty} title="No such customer" />`)}<//><//></div>`;
}
