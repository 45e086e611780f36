// One invoice, and why each of its lines says what it says, down to the counter samples.
import { html, useSignal } from "../../view.js";
import { count, money, quantity, title } from "../../format.js";
import { Mark } from "../../marks.js";
import { Answer, Time, useAnswer } from "../../ui.js";

const OPEN_ROWS = 12;
const ROWS_MAX = 500;
const textOf = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));
const heads = (names) => html`<thead><tr>${names.map((each) => html`<th>${each}</th>`)}</tr></thead>`;

const words = (name) => title(name.replaceAll("_", " "));
const isList = (value) => Array.isArray(value) && value.length > 0 && typeof value[0] === "object";
const isDeep = (value) => value !== null && typeof value === "object" && !(Array.isArray(value) && !isList(value));

/** Rows of facts as a table that starts closed when it is long; what lies deeper in a row follows it. */
function Rows({ name, rows }) {
  const columns = Object.keys(rows[0]).filter((key) => !isDeep(rows[0][key]));
  const deeper = rows.flatMap((row) => Object.entries(row).filter(([, inner]) => isDeep(inner)));
  return html`<details open=${rows.length <= OPEN_ROWS}><summary>${words(name)} <span class="dim">${count(rows.length)}</span></summary><div class="scroll" tabindex="0" role="region" aria-label=${words(name)}><table class="plain">${heads(columns.map(words))}<tbody>${rows.slice(0, ROWS_MAX).map((row) => html`<tr>${columns.map((key) => html`<td class="mono">${textOf(row[key])}</td>`)}</tr>`)}</tbody></table></div>${deeper.map(([key, inner]) => html`<${Evidence} name=${key} value=${inner} />`)}</details>`;
}

/** Evidence as it comes: facts as a list, rows as tables, whatever lies deeper under its own name. */
function Evidence({ name, value }) {
  if (isList(value)) return html`<${Rows} name=${name} rows=${value} />`;
  if (!isDeep(value)) return html`<p><span class="dim">${words(name)}</span> ${textOf(value)}</p>`;
  const facts = Object.entries(value);
  return html`<h3>${words(name)}</h3><dl class="facts told-facts">${facts.filter(([, inner]) => !isDeep(inner)).map(([key, inner]) => html`<dt>${words(key)}</dt><dd>${textOf(inner)}</dd>`)}</dl>
    ${facts.filter(([, inner]) => isDeep(inner)).map(([key, inner]) => html`<${Evidence} name=${key} value=${inner} />`)}`;
}

/** The answer in the order of a reader: what was computed, by which slots, from which samples and records. */
function Explanation({ it }) {
  const { line, rating, slots, raw, usage, usage_total: total, usage_sha256: sha256, invoice } = it;
  return html`<p><b>${line.description}</b>: ${quantity(line.quantity, line.unit)} at ${line.unit_price} ${invoice.currency}. Tariff ${line.tariff.name} of ${line.tariff.effective}.</p>
    <${Evidence} name="computation" value=${rating?.computation ?? line.computation} />
    ${line.corrects && html`<${Evidence} name="corrects" value=${line.corrects} />`}
    ${slots.total > 0 && html`<p>${count(slots.total)} slots of five minutes: ${Object.entries(slots.counts).map(([name, n]) => `${count(n)} ${name}`).join(", ")}. ${slots.agrees ? "Ranked again, they give what was billed." : html`<${Mark} tone="major" label="differs" /> Ranked again, they do not give what was billed.`}</p>`}
    ${slots.decisive.length > 0 && html`<${Rows} name="decisive slots" rows=${slots.decisive} />`}
    ${slots.flawed.length > 0 && html`<${Rows} name="slots that are not good" rows=${slots.flawed} />`}
    ${raw.map((each) => html`<h3>Raw samples of ${each.interface} around <${Time} at=${each.slot} /></h3>${each.note && html`<p class="hatch">${title(each.note)}.</p>`}${each.samples.length > 0 && html`<${Rows} name="samples" rows=${each.samples} />`}`)}
    ${usage.length > 0 && html`<${Rows} name="usage records" rows=${usage} />`}
    <p class="dim">${count(total)} usage records, sha256 <code>${sha256}</code></p>`;
}

function Explain({ invoice, n }) {
  const state = useAnswer(`/api/v1/invoices/${invoice}/lines/${n}/explain`);
  return html`<section class="card stack scroll" tabindex="0" data-testid="explain" aria-label="Why this line"><h2>Why line ${n} says that</h2><${Answer} of=${state}>${(data) => html`<${Explanation} it=${data} />`}<//></section>`;
}

export function Invoice({ id }) {
  const state = useAnswer(`/api/v1/invoices/${encodeURIComponent(id)}`);
  const explained = useSignal(null);
  return html`<${Answer} of=${state} rows=${8}>${(it) => html`<div class="stack"><div class="row"><h1>Invoice ${it.number}</h1><span class="chip">${it.state}</span><span class="grow" /><a class="btn" href=${`/api/v1/invoices/${id}.pdf`} target="_blank" rel="noopener">PDF</a><a class="btn" href="/usage">All invoices</a></div>
    <section class="card scroll" tabindex="0" aria-label="Lines"><h2>${it.customer.name}, ${it.period_start} – ${it.period_end}</h2><table class="plain">${heads(["", "Text", "Quantity", "Amount", "Measured", ""])}<tbody>
      ${it.lines.map((line) => html`<tr key=${line.n}><td>${line.n}</td><td>${line.description}<br /><span class="dim">${line.service.number} ${line.service.name}</span></td><td class="num">${quantity(line.quantity, line.unit)}</td><td class="num">${money(line.amount, it.currency)}</td><td class="dim">${line.data_quality}</td><td><button class="btn small" onClick=${() => { explained.value = line.n; }}>Explain</button></td></tr>`)}
      <tr><td></td><td><b>Total</b></td><td></td><td class="num"><b>${money(it.total, it.currency)}</b></td><td></td><td></td></tr></tbody></table></section>
    ${explained.value !== null && html`<${Explain} invoice=${id} n=${explained.value} key=${explained.value} />`}</div>`}<//>`;
}
