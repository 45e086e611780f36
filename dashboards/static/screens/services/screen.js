// Services: what was promised, what is left of it this month, and each outage behind it.
import { html, useSignal } from "../../view.js";
import { post, target } from "../../api.js";
import { boot } from "../../boot.js";
import { count, plural } from "../../format.js";
import { Mark } from "../../marks.js";
import { setQuery } from "../../router.js";
import { Answer, Dialog, Empty, Time, toast, toastProblem, useAnswer } from "../../ui.js";
import { OUTLOOK, lasted, ranked, shifted, thisMonth, used } from "./model.js";

const EVERY_MS = 60_000;
const heads = (names) => html`<thead><tr>${names.map(([name, kind]) => html`<th class=${kind || ""}>${name}</th>`)}</tr></thead>`;

function Budget({ row }) {
  const says = row.left_s >= 0 ? `${lasted(row.left_s)} of ${lasted(row.budget_s)} left` : `${lasted(row.left_s)} beyond ${lasted(row.budget_s)}`;
  return html`<span class="budget" data-outlook=${row.outlook}><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="8" class="of" /><rect width=${100 * used(row)} height="8" class="used" /></svg> <span>${says}</span></span>`;
}

const availability = (row) => (row.availability === null ? "nothing counted yet" : `${row.availability} %`);

function Row({ row, open }) {
  const [tone, word] = OUTLOOK[row.outlook];
  return html`<tr data-testid="service-level"><td><${Mark} tone=${tone} label=${word} /></td><td><button class="btn bare small" onClick=${open}>${row.service.number} ${row.service.name}</button></td><td>${row.customer.name}</td><td>${row.sla}</td>
    <td class="num">${row.target} %</td><td class="num">${availability(row)}</td><td><${Budget} row=${row} /></td><td><${Beside} rows=${row.objectives} /></td><td class="num">${row.unknown_s ? lasted(row.unknown_s) : "–"}</td><td class="num">${Number(row.credit_percent) ? `${row.credit_percent} %` : "–"}</td></tr>`;
}

function Spans({ title, none, rows }) {
  return html`<section><h3>${title}</h3>${rows.length
    ? html`<table class="plain">${heads([["From"], ["To"], ["Lasted", "num"]])}<tbody>${rows.map((it) => html`<tr key=${it.from}><td><${Time} at=${it.from} /></td><td><${Time} at=${it.to} /></td><td class="num">${lasted(it.seconds)}</td></tr>`)}</tbody></table>`
    : html`<p class="dim">${none}</p>`}</section>`;
}

/** The credit goes to a second person; asking twice finds the proposal that stands. */
async function propose(month, service) {
  try {
    const { invoice, proposal } = await post("/api/v1/sla-credits", { month, service_id: service });
    toast(proposal.state === "approved" ? `The credit on ${invoice.number} was approved already.` : `A credit on ${invoice.number} is proposed; a second person decides.`);
  } catch (error) {
    toastProblem(error);
  }
}

const KEPT = { true: ["cleared", "kept"], false: ["major", "missed"], null: ["indeterminate", "not known"] };
const Kept = ({ met }) => html`<${Mark} tone=${KEPT[met][0]} label=${KEPT[met][1]} />`;

function Objectives({ rows }) {
  return html`<section><h3>Beside availability</h3><table class="plain">${heads([[""], ["Promised"], ["Measured", "num"], ["Slots known", "num"]])}<tbody>
    ${rows.map((it) => html`<tr key=${it.promise}><td><${Kept} met=${it.met} /></td><td>${it.promise}</td><td class="num">${it.value === null ? "–" : `${it.value} ${it.unit}`}</td><td class="num">${count(it.known)} of ${count(it.slots)}</td></tr>`)}</tbody></table></section>`;
}

/** Objectives of a row in one word; nothing where none is promised. */
function Beside({ rows }) {
  const missed = rows.filter((it) => it.met === false);
  if (!rows.length) return "–";
  return missed.length ? html`<${Kept} met=${false} /> ${missed.map((it) => it.sli).join(", ")}` : html`<${Kept} met=${rows.some((it) => it.met === null) ? null : true} />`;
}

const CAUSES = { force_majeure: "Force majeure", customer: "The customer's own doing", third_party: "A third party's" };

/** One person says which time should not count and why; another decides. */
function Exclude({ it, onDone }) {
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const [target_kind, target_id] = form.get("about") === "customer" ? ["customer", it.customer.id] : ["service", it.service.id];
    const utc = (name) => new Date(`${form.get(name)}Z`).toISOString();
    try {
      await post("/api/v1/slas/exclusions", { cause: form.get("cause"), reason: form.get("reason"), target_kind, target_id, start: utc("start"), end: utc("end") });
      toast("Proposed; a second person decides.");
      onDone();
    } catch (error) {
      toastProblem(error);
    }
  };
  return html`<form class="stack" onSubmit=${submit} aria-label="Propose time that does not count"><h3>Time that should not count</h3>
    <p class="row"><label>Cause <select name="cause">${Object.entries(CAUSES).map(([name, word]) => html`<option value=${name}>${word}</option>`)}</select></label>
      <label>For <select name="about"><option value="service">this service</option><option value="customer">all of the customer's</option></select></label></p>
    <p class="row"><label>From (UTC) <input type="datetime-local" name="start" required value=${(it.outages[0]?.from || it.from).slice(0, 16)} /></label><label>to <input type="datetime-local" name="end" required value=${(it.outages[0]?.to || it.to).slice(0, 16)} /></label></p>
    <label>Reason and evidence <textarea name="reason" rows="2" minlength="3" maxlength="1024" required></textarea></label>
    <p><button class="btn">Propose</button></p></form>`;
}

function Exclusions() {
  const state = useAnswer("/api/v1/slas/exclusions", [], EVERY_MS);
  const decide = async (it, approve) => {
    try {
      await post(`/api/v1/slas/exclusions/${it.id}/decision`, { approve });
      state.again();
    } catch (error) {
      toastProblem(error);
    }
  };
  const rows = state.data?.items || [];
  if (!rows.length) return null;
  return html`<section class="card scroll" tabindex="0" aria-label="Time that does not count"><h2>Time that does not count</h2><table class="plain">${heads([["State"], ["Cause"], ["Reason"], ["From"], ["To"], ["Proposed by"], ["Decided by"], [""]])}<tbody>
    ${rows.map((it) => html`<tr key=${it.id} data-testid="exclusion"><td>${it.state}</td><td>${CAUSES[it.cause]}</td><td>${it.reason}</td><td><${Time} at=${it.start} /></td><td><${Time} at=${it.end} /></td><td>${it.proposed_by}</td><td>${it.decided_by || "–"}</td>
      <td>${it.state === "open" && html`<button class="btn small" onClick=${() => decide(it, true)}>Approve</button> <button class="btn small bare" onClick=${() => decide(it, false)}>Refuse</button>`}</td></tr>`)}</tbody></table></section>`;
}

const bills = () => ["billing", "admin"].includes(boot.role);

function One({ id, month, onClose }) {
  const state = useAnswer(target(`/api/v1/slas/${id}`, { month }), ["alarm"], EVERY_MS);
  const excluding = useSignal(false);
  return html`<${Dialog} class="wide" label="Service level" onClose=${onClose} data-testid="level"><div class="inside"><${Answer} of=${state}>${(it) => html`
    <h2>${it.service.number} ${it.service.name}</h2><p>${it.summary}</p>
    <dl class="facts"><dt>Customer</dt><dd>${it.customer.name}</dd><dt>Availability</dt><dd>${availability(it)} of ${it.target} % promised</dd><dt>Budget</dt><dd><${Budget} row=${it} /></dd>
      <dt>Counted</dt><dd>${lasted(it.counted_s)}${it.excluded_s > 0 && `, ${lasted(it.excluded_s)} planned or agreed left out`}</dd><dt>Stands on</dt><dd>${it.ports.map((port) => port.name).join(", ") || "no port that is known"}</dd>
      ${Number(it.credit_percent) > 0 && html`<dt>Credit</dt><dd>${it.credit_percent} % of the month's recurring charge</dd>`}</dl>
    ${it.objectives.length > 0 && html`<${Objectives} rows=${it.objectives} />`}
    <${Spans} title="Outages that count" none="None." rows=${it.outages} /><${Spans} title="Nobody knows" none="Every hour was measured." rows=${it.unknown} />
    ${it.excluded.length > 0 && html`<${Spans} title="Left out: planned or agreed" rows=${it.excluded} />`}
    ${excluding.value && html`<${Exclude} it=${it} onDone=${() => { excluding.value = false; }} />`}`}<//>
    <footer>${Number(state.data?.credit_percent) > 0 && bills() && html`<button class="btn" onClick=${() => propose(month, id)}>Propose the credit</button>`}${bills() && html`<button class="btn" onClick=${() => { excluding.value = !excluding.value; }}>Leave time out…</button>`}<button class="btn primary" onClick=${onClose}>Close</button></footer></div><//>`;
}

export default function Services({ url }) {
  const month = /^\d{4}-\d\d$/.test(url.searchParams.get("month") || "") ? url.searchParams.get("month") : thisMonth();
  const chosen = url.searchParams.get("service");
  const state = useAnswer(target("/api/v1/slas", { month }), ["alarm"], EVERY_MS, { keep: true });
  const to = (by) => setQuery({ month: shifted(month, by) === thisMonth() ? null : shifted(month, by) }, { replace: false });
  return html`<div class="services stack"><div class="row"><h1>Services</h1><span class="grow" />
      <button class="btn small" aria-label="The month before" onClick=${() => to(-1)}>‹</button><b class="mono">${month}</b><button class="btn small" aria-label="The month after" disabled=${month >= thisMonth()} onClick=${() => to(1)}>›</button>
      ${["pdf", "xlsx", "csv"].map((format) => html`<a class="btn small" key=${format} href=${target("/api/v1/slas", { month, format })} download>${format.toUpperCase()}</a>`)}</div>
    <${Answer} of=${state} rows=${8}>${({ items, outlooks }) => (items.length
      ? html`<p class="row">${Object.entries(OUTLOOK).map(([name, [tone, word]]) => html`<span key=${name} class="chip"><${Mark} tone=${tone} /> ${count(outlooks[name] || 0)} ${word}</span>`)}<span class="dim">${plural(items.length, "service")} with a promise</span></p>
        <section class="card scroll" tabindex="0" aria-label="Service levels"><table class="plain">${heads([["Outlook"], ["Service"], ["Customer"], ["Promise"], ["Promised", "num"], ["Availability", "num"], ["Budget of the month"], ["Beside it"], ["Unknown", "num"], ["Credit", "num"]])}<tbody>
        ${ranked(items).map((row) => html`<${Row} key=${row.service.id} row=${row} open=${() => setQuery({ service: row.service.id }, { replace: false })} />`)}</tbody></table></section>`
      : html`<${Empty} title="Nothing is promised">A service whose sla names a file of config/slas is held to it from then on.<//>`)}<//>
    ${bills() && html`<${Exclusions} />`}
    ${chosen && html`<${One} id=${chosen} month=${month} onClose=${() => setQuery({ service: null }, { replace: false })} />`}</div>`;
}
