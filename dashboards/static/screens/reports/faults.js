// The faults of a month: how soon they were taken and mended, what came again, what customers lost; as a PDF.
import { html } from "../../view.js";
import { target } from "../../api.js";
import { count, title } from "../../format.js";
import { query, setQuery } from "../../router.js";
import { Answer, Empty, useAnswer } from "../../ui.js";
import { boundsOf, lasted, monthOf } from "./model.js";

const GROUPS = { alarm_type: "By class", vendor: "By vendor", site: "By site", team: "By team" };
const ROWS_MAX = 15;
const MONTHS_BACK = 24;

const Figure = ({ name, says }) => html`<div class="figure"><span class="dim">${name}</span><b>${says}</b></div>`;

function Group({ title: says, name, rows }) {
  return html`<section class="card scroll" tabindex="0" aria-label=${says}><header><h2>${says}</h2></header><table class="plain"><thead><tr><th>${title(name.replace("_", " "))}</th><th class="num">Faults</th><th class="num">MTTA</th><th class="num">MTTR</th><th class="num">MTBF</th></tr></thead>
    <tbody>${rows.slice(0, ROWS_MAX).map((it) => html`<tr key=${it[name]}><td>${it[name] || "–"}</td><td class="num">${count(it.faults)}</td><td class="num">${lasted(it.mtta_s)}</td><td class="num">${lasted(it.mttr_s)}</td><td class="num">${lasted(it.mtbf_s)}</td></tr>`)}</tbody></table>
    ${rows.length > ROWS_MAX && html`<p class="dim">and ${count(rows.length - ROWS_MAX)} more</p>`}</section>`;
}

function Found({ it }) {
  if (!it.all.faults) return html`<${Empty} title="No faults">Nothing was raised in this month.<//>`;
  return html`<section class="card row figures" data-testid="fault-figures"><${Figure} name="Faults" says=${count(it.all.faults)} /><${Figure} name="MTTA" says=${lasted(it.all.mtta_s)} /><${Figure} name="MTTR" says=${lasted(it.all.mttr_s)} /><${Figure} name="MTBF" says=${lasted(it.all.mtbf_s)} /><${Figure} name="Customer-minutes lost" says=${count(Math.round(it.customer_minutes_lost))} /></section>
    ${!it.whole && html`<p class="dim">There was more than is looked at: these are the first faults of the month.</p>`}
    <div class="cards wide">${Object.entries(GROUPS).map(([name, says]) => html`<${Group} title=${says} name=${name} rows=${it[`by_${name}`]} />`)}</div>
    ${it.repeats.length > 0 && html`<section class="card scroll" tabindex="0" aria-label="Came again"><header><h2>Came again and again</h2></header><table class="plain"><thead><tr><th>Where</th><th>What</th><th>Site</th><th class="num">Times</th></tr></thead><tbody>${it.repeats.map((each) => html`<tr key=${each.alarm_id}><td><a href=${target("/alarms", { state: "all", q: `id:${each.alarm_id}` })}>${[each.device, each.object].filter(Boolean).join(" ") || "–"}</a></td><td>${each.alarm_type}</td><td>${each.site || "–"}</td><td class="num">${count(each.faults)}</td></tr>`)}</tbody></table></section>`}
    ${it.customers.length > 0 && html`<section class="card scroll" tabindex="0" aria-label="Customers"><header><h2>Customers who lost most</h2></header><table class="plain"><thead><tr><th>Customer</th><th class="num">Minutes</th></tr></thead><tbody>${it.customers.map((each) => html`<tr key=${each.customer_id}><td>${each.customer}</td><td class="num">${count(Math.round(each.minutes))}</td></tr>`)}</tbody></table></section>`}`;
}

export function Faults() {
  const month = query.value.get("month") || monthOf(Date.now());
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const found = useAnswer(target("/api/v1/fault-report", boundsOf(month, minute)), [], 0, { keep: true });
  const months = Array.from({ length: MONTHS_BACK }, (_, n) => monthOf(Date.now(), n));
  return html`<div class="row"><label class="row">Month <select class="field" onChange=${(e) => setQuery({ month: e.target.value })}>${months.map((each) => html`<option value=${each} selected=${each === month}>${each}</option>`)}</select></label><span class="grow" /><a class="btn small primary" download href=${target("/api/v1/fault-report.pdf", { month })}>PDF</a></div>
    <${Answer} of=${found} rows=${8}>${(it) => html`<${Found} it=${it} />`}<//>`;
}
