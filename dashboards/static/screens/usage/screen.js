// Usage and billing: what was measured, what became of it, and why a line says what it says.
import { html, useSignal } from "../../view.js";
import { post, target } from "../../api.js";
import { may } from "../../boot.js";
import { count, money, plural, title } from "../../format.js";
import { Mark } from "../../marks.js";
import { Answer, Empty, Time, lazy, toast, toastProblem, useAnswer } from "../../ui.js";

const Invoice = lazy(async () => (await import("./invoice.js")).Invoice);
const Completeness = lazy(async () => (await import("./completeness.js")).Completeness);
const Cash = lazy(async () => (await import("./cash.js")).Cash);
const STAGES = [["received", "from meters"], ["rejected", "refused for good"], ["recycled", "in suspense"], ["guided", "service found"], ["rated", "priced"], ["billed", "on an invoice"]];
const EVERY_MS = 30_000;

const heads = (names) => html`<thead><tr>${names.map((each) => html`<th class=${/^(Total|Quantity|Invoices)$/.test(each) ? "num" : ""}>${each}</th>`)}</tr></thead>`;
const Box = ({ label, children, acts }) => html`<section class="card scroll" tabindex="0" aria-label=${label}><header><h2>${label}</h2><span class="grow" />${acts}</header>${children}</section>`;

/** Sources whose records do not add up: received = stored + deduplicated + refused. */
function unbalanced(balanced) {
  const lost = Object.keys(balanced).filter((source) => !balanced[source]);
  return lost.length > 0 && html`<p class="card"><${Mark} tone="major" label="not balanced" /> The books of ${lost.join(", ")} do not balance: records are missing.</p>`;
}

function Pipeline() {
  const state = useAnswer("/api/v1/usage/pipeline", ["progress"], EVERY_MS);
  return html`<${Answer} of=${state} rows=${2}>${({ counts, balanced }) => html`<section class="flow" aria-label="Usage records by state">${STAGES.map(([name, says]) => html`<div class="kpi stage" data-stage=${name} style=${{ "--tone": name === "rejected" && counts[name] ? "var(--major)" : name === "recycled" && counts[name] ? "var(--warning)" : undefined }}><span><strong>${count(counts[name] ?? 0)}</strong><span>${title(name)}</span><span class="dim">${says}</span><svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect width=${Math.min(100, (100 * (counts[name] ?? 0)) / Math.max(1, counts.received))} height="4" /></svg></span></div>`)}</section>${unbalanced(balanced)}`}<//>`;
}

function Invoices() {
  const state = useAnswer("/api/v1/invoices", ["progress"]);
  return html`<${Box} label="Invoices"><${Answer} of=${state}>${({ items, total }) => (items.length
    ? html`<table class="plain">${heads(["Number", "Customer", "Period", "Total", "State", "Files"])}<tbody>${items.map((each) => html`<tr key=${each.id}><td><a href=${`/usage/invoices/${each.id}`}>${each.number}</a></td><td>${each.customer}</td><td>${each.period_start} – ${each.period_end}</td><td class="num">${money(each.total, each.currency)}</td><td>${each.state}</td>
        <td><a class="btn small" href=${`/api/v1/invoices/${each.id}.pdf`} target="_blank" rel="noopener" aria-label=${`${each.number} as PDF`}>PDF</a> <a class="btn small" href=${`/api/v1/invoices/${each.id}.csv`} download aria-label=${`${each.number} as CSV`}>CSV</a></td></tr>`)}</tbody></table>${total > items.length && html`<p class="dim">the newest ${count(items.length)} of ${count(total)}</p>`}`
    : html`<${Empty} title="No invoice yet">A bill run makes them from what was rated.<//>`)}<//><//>`;
}

/** Bill a month that is over; the station says why where it cannot. */
async function run(month, again) {
  try {
    const made = await post("/api/v1/bill-runs", { month });
    toast(`${made.period}: ${plural(made.made ?? 0, "invoice")} made, ${count(made.stood ?? 0)} stood already.`);
    again();
  } catch (error) {
    toastProblem(error);
  }
}

function Runs() {
  const state = useAnswer("/api/v1/bill-runs", ["progress"]);
  const month = useSignal("");
  const acts = may("billing") && html`<form class="row" onSubmit=${(e) => { e.preventDefault(); run(month.value, state.again); }}><input class="field" type="month" aria-label="Month to bill" required value=${month.value} onInput=${(e) => { month.value = e.target.value; }} /><button class="btn small">Bill this month</button></form>`;
  return html`<${Box} label="Bill runs" acts=${acts}><${Answer} of=${state}>${({ items }) => (items.length
    ? html`<table class="plain">${heads(["Period", "State", "Invoices", "Known until", "By", "Exceptions"])}<tbody>${items.map((each) => html`<tr key=${each.id}><td>${each.period}</td><td>${each.state}</td><td class="num">${count(each.invoices)}</td><td><${Time} at=${each.knowledge_cutoff} /></td><td>${each.created_by}</td><td>${each.exceptions?.length ? html`<${Mark} tone="major" label="exceptions" /> ${count(each.exceptions.length)}` : "none"}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title="No bill run yet">A month is billed some hours after it ended, when late records are in.<//>`)}<//><//>`;
}

function Suspense() {
  const state = useAnswer("/api/v1/usage/suspense");
  return html`<${Box} label="Suspense: cannot be charged yet"><${Answer} of=${state}>${({ items }) => (items.length
    ? html`<table class="plain">${heads(["Reason", "Resource", "Since"])}<tbody>${items.map((each) => html`<tr key=${`${each.id} ${each.portion}`}><td>${each.reason}</td><td>${each.resource || each.metering_point}</td><td><${Time} at=${each.since} /></td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nothing waits">Every record found its service, customer and tariff.<//>`)}<//><//>`;
}

function Meters({ chosen }) {
  const state = useAnswer("/api/v1/services?limit=1000");
  const text = useSignal("");
  const fits = (each) => [each.number, each.name, each.customer, each.tariff].some((part) => String(part).toLowerCase().includes(text.value.toLowerCase()));
  const acts = html`<input class="field" type="search" aria-label="Find a service" placeholder="service, customer, tariff" value=${text.value} onInput=${(e) => { text.value = e.target.value; }} />`;
  return html`<${Box} label="Meters: services and where they are measured" acts=${acts}><${Answer} of=${state}>${({ items }) => {
    const rows = items.filter(fits);
    return rows.length ? html`<table class="plain">${heads(["Service", "Name", "Customer", "Tariff", "Measured at"])}<tbody>${rows.slice(0, 200).map((each) => html`<tr key=${each.id} aria-selected=${each.id === chosen ? "true" : undefined}><td><a href=${target("/usage", { service: each.id })}>${each.number}</a></td><td>${each.name}</td><td>${each.customer}</td><td>${each.tariff}</td><td>${each.access.map((end) => html`<a class="mono" href=${target("/performance", { entity: end.interface_id })}>${end.device} ${end.interface}</a> `)}</td></tr>`)}</tbody></table>${rows.length > 200 && html`<p class="dim">and ${count(rows.length - 200)} more</p>`}` : html`<${Empty} title="No such service" />`;
  }}<//><//>`;
}

function Used({ service }) {
  const state = useAnswer(target("/api/v1/usage", { service }));
  return html`<${Box} label="Usage of the service" acts=${html`<a class="btn small" href="/usage">All services</a>`}><${Answer} of=${state}>${({ items }) => (items.length ? html`<table class="plain">${heads(["From", "To", "Meter", "Interface", "Quantity", "State"])}<tbody>${items.map((each) => html`<tr key=${`${each.id} ${each.portion}`}><td><${Time} at=${each.from} /></td><td><${Time} at=${each.to} /></td><td>${each.meter}</td><td class="mono">${each.resource}</td><td class="num">${count(each.quantity)} ${each.unit}s</td><td>${each.zero_rated ? "rated at zero" : each.state}</td></tr>`)}</tbody></table>` : html`<${Empty} title="No usage yet">Records of this service come with each closed day.<//>`)}<//><//>`;
}

export default function Usage({ url }) {
  const invoice = url.pathname.split("/")[3];
  if (invoice) return html`<${Invoice} id=${invoice} key=${invoice} />`;
  const service = url.searchParams.get("service");
  return html`<div class="stack"><h1>Usage and billing</h1><${Pipeline} />${service && html`<${Used} service=${service} />`}
    <div class="pair"><div class="stack"><${Invoices} />${may("billing") && html`<${Cash} />`}</div><div class="stack"><${Runs} /><${Suspense} />${may("billing") && html`<${Completeness} />`}</div></div><${Meters} chosen=${service} /></div>`;
}
