// Money that waits: bank entries without an owner, open dunning cases, and what leaks of the last billed month.
import { html } from "../../view.js";
import { target } from "../../api.js";
import { count, money } from "../../format.js";
import { Mark } from "../../marks.js";
import { Answer, Empty, useAnswer } from "../../ui.js";
import { major, standing } from "../customers/model.js";

const Box = ({ label, children }) => html`<section class="card scroll" tabindex="0" aria-label=${label}><header><h2>${label}</h2></header>${children}</section>`;

function Waiting() {
  const state = useAnswer("/api/v1/bank/entries");
  return html`<${Box} label="Cash without an owner"><${Answer} of=${state}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Day</th><th>From</th><th class="num">Amount</th><th>Why</th></tr></thead><tbody>${items.map((each) => html`<tr key=${each.id}><td>${each.day}</td><td>${each.name || each.iban}</td><td class="num">${money(major(each.amount_minor, each.currency), each.currency)}</td><td>${each.reason}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Every payment found its customer" />`)}<//><//>`;
}

function Cases() {
  const state = useAnswer("/api/v1/dunning/cases");
  return html`<${Box} label="Dunning"><${Answer} of=${state}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Customer</th><th>Stands</th><th>Since</th></tr></thead><tbody>${items.map((each) => html`<tr key=${each.customer_id}><td><a href=${`/customers/${each.customer_id}`}>${each.customer || each.customer_id}</a></td><td><${Mark} tone=${standing(each)[0]} label=${standing(each)[1]} /> ${standing(each)[1]}</td><td>${each.entered_on}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nobody is dunned" />`)}<//><//>`;
}

function Leaks({ month }) {
  const state = useAnswer(`/api/v1/assurance/${month}`);
  return html`<${Box} label=${`Revenue assurance, ${month}`}><${Answer} of=${state}>${({ items, billed, services }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Service</th><th>Finding</th><th class="num">Score</th><th>Because</th></tr></thead><tbody>${items.slice(0, 50).map((each) => html`<tr key=${`${each.kind} ${each.service}`}><td><a href=${target("/usage", { service: each.service })}>${each.service}</a></td><td>${each.kind.replaceAll("_", " ")}</td><td class="num">${each.score}</td><td>${each.reasons.join("; ")}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title=${billed ? "Nothing leaks" : "Not billed yet"}>${count(services)} services were looked at.<//>`)}<//><//>`;
}

/** The month before this one, as YYYY-MM. */
export const lastMonth = (at) => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - 1, 1)).toISOString().slice(0, 7);

export const Cash = () => html`<${Waiting} /><${Cases} /><${Leaks} month=${lastMonth(new Date())} />`;
