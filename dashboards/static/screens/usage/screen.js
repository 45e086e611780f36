// Usage and billing: what was measured, what became of it, and why a line says what it says.
import { html, useSignal } from "../../view.js";
import { count, money, title } from "../../format.js";
import { Answer, Empty, Time, useAnswer } from "../../ui.js";

const STATES = ["received", "rejected", "recycled", "guided", "rated", "billed"];
const textOf = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
const heads = (names) => html`<thead><tr>${names.map((each) => html`<th>${each}</th>`)}</tr></thead>`;
const Box = ({ label, children }) => html`<section class="card scroll" tabindex="0" aria-label=${label}><h2>${label}</h2>${children}</section>`;

function Pipeline() {
  const state = useAnswer("/api/v1/usage/pipeline");
  return html`<${Answer} of=${state} rows=${2}>${(data) => html`<section class="flow" aria-label="Usage records by state">${STATES.map((name) => html`<div class="kpi"><span><strong>${count((data.counts || data)[name] ?? 0)}</strong><span>${title(name)}</span></span></div>`)}</section>`}<//>`;
}

function Invoices() {
  const state = useAnswer("/api/v1/invoices");
  return html`<${Box} label="Invoices"><${Answer} of=${state}>${({ items }) => (items.length
    ? html`<table class="plain">${heads(["Number", "Customer", "Period", "Total", "State"])}<tbody>${items.map((each) => html`<tr key=${each.id}><td><a href=${`/usage/invoices/${each.id}`}>${each.number || each.id}</a></td><td>${each.customer?.name || each.customer}</td><td>${each.period_start} – ${each.period_end}</td><td class="num">${money(each.total, each.currency)}</td><td>${each.state}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title="No invoice yet">A bill run makes them from what was rated.<//>`)}<//><//>`;
}

function Suspense() {
  const state = useAnswer("/api/v1/usage/suspense");
  return html`<${Box} label="Suspense: cannot be charged yet"><${Answer} of=${state}>${({ items }) => (items.length
    ? html`<table class="plain">${heads(["Reason", "Resource", "Since"])}<tbody>${items.map((each) => html`<tr key=${each.id}><td>${each.reason}</td><td>${each.resource || each.point || each.id}</td><td><${Time} at=${each.since || each.received_at} /></td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nothing waits">Every record found its service, customer and tariff.<//>`)}<//><//>`;
}

function Used({ service }) {
  const state = useAnswer(`/api/v1/usage?${new URLSearchParams({ service })}`);
  return html`<${Box} label="Usage of the service"><${Answer} of=${state}>${({ items }) => html`<table class="plain">${heads(["From", "To", "Meter", "Quantity", "State"])}<tbody>${items.map((each) => html`<tr key=${each.id}><td><${Time} at=${each.start} /></td><td><${Time} at=${each.end} /></td><td>${each.meter}</td><td class="num">${textOf(each.quantity)} ${each.unit}</td><td>${each.state}</td></tr>`)}</tbody></table>`}<//><//>`;
}

/** Evidence as it comes: nested facts as lists, long lists as tables that start closed. */
function Evidence({ name, value }) {
  if (Array.isArray(value) && value.length && typeof value[0] === "object") {
    const columns = Object.keys(value[0]).filter((key) => !Array.isArray(value[0][key]));
    const deeper = value.flatMap((row) => Object.entries(row).filter(([, inner]) => Array.isArray(inner)));
    return html`<details open=${value.length <= 12}><summary>${title(name.replaceAll("_", " "))} <span class="dim">${count(value.length)}</span></summary><table class="plain">${heads(columns)}<tbody>${value.slice(0, 500).map((row) => html`<tr>${columns.map((key) => html`<td class="mono">${textOf(row[key])}</td>`)}</tr>`)}</tbody></table>${deeper.map(([key, inner]) => html`<${Evidence} name=${key} value=${inner} />`)}</details>`;
  }
  if (Array.isArray(value)) return html`<h3>${title(name)}</h3><ol class="steps">${value.map((each) => html`<li>${textOf(each)}</li>`)}</ol>`;
  if (value && typeof value === "object") return html`<h3>${title(name.replaceAll("_", " "))}</h3><dl class="facts">${Object.entries(value).filter(([, inner]) => typeof inner !== "object").map(([key, inner]) => html`<dt>${key}</dt><dd>${textOf(inner)}</dd>`)}</dl>`;
  return html`<p><span class="dim">${title(name.replaceAll("_", " "))}</span> ${textOf(value)}</p>`;
}

function Explain({ invoice, n }) {
  const state = useAnswer(`/api/v1/invoices/${invoice}/lines/${n}/explain`);
  return html`<section class="card stack scroll" tabindex="0" data-testid="explain" aria-label="Why this line"><h2>Why line ${n} says that</h2><${Answer} of=${state}>${(data) => html`${Object.entries(data).map(([name, value]) => html`<${Evidence} name=${name} value=${value} />`)}`}<//></section>`;
}

function Invoice({ id }) {
  const state = useAnswer(`/api/v1/invoices/${encodeURIComponent(id)}`);
  const explained = useSignal(null);
  return html`<${Answer} of=${state} rows=${8}>${(it) => html`<div class="stack"><div class="row"><h1>Invoice ${it.number || it.id}</h1><span class="chip">${it.state}</span><span class="grow" /><a class="btn" href=${`/api/v1/invoices/${id}.pdf`} target="_blank" rel="noopener">PDF</a><a class="btn" href="/usage">All invoices</a></div>
    <${Box} label=${`${it.customer?.name || it.customer}, ${it.period_start} – ${it.period_end}`}><table class="plain">${heads(["", "Text", "Quantity", "Amount", "Measured", ""])}<tbody>
      ${(it.lines || []).map((line, i) => html`<tr key=${line.n ?? i}><td>${line.n ?? i + 1}</td><td>${line.text || line.description}</td><td class="num">${textOf(line.quantity)} ${line.unit}</td><td class="num">${money(line.amount, it.currency)}</td><td class="dim">${line.data_quality}</td><td><button class="btn small" onClick=${() => { explained.value = line.n ?? i + 1; }}>Explain</button></td></tr>`)}
      <tr><td></td><td><b>Total</b></td><td></td><td class="num"><b>${money(it.total, it.currency)}</b></td><td></td><td></td></tr></tbody></table><//>
    ${explained.value !== null && html`<${Explain} invoice=${id} n=${explained.value} key=${explained.value} />`}</div>`}<//>`;
}

export default function Usage({ url }) {
  const invoice = url.pathname.split("/")[3];
  if (invoice) return html`<${Invoice} id=${invoice} key=${invoice} />`;
  const service = url.searchParams.get("service");
  return html`<div class="stack"><h1>Usage and billing</h1><${Pipeline} />${service && html`<${Used} service=${service} />`}<div class="pair"><${Invoices} /><${Suspense} /></div></div>`;
}
