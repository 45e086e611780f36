// A heat map: one row an interface, device, site or customer, one column a part of the span; the darker, the nearer to the largest.
import { html, useMemo } from "../../view.js";
import { target } from "../../api.js";
import { bits, clock, si } from "../../format.js";
import { region, span, spanMs } from "../../place.js";
import { go, setQuery } from "../../router.js";
import { endOf } from "../../traffic.js";
import { Answer, Empty, useAnswer } from "../../ui.js";
import { largestOf, rowsOf, stepOf } from "./heat_model.js";

const CELLS = 72;
const ROWS = 40;
const METRICS = [
  ["interface.in_octets", "Traffic in"], ["interface.out_octets", "Traffic out"], ["interface.in_utilisation", "Utilisation in"],
  ["interface.out_utilisation", "Utilisation out"], ["interface.in_error_ratio", "Errors in"], ["interface.in_discard_ratio", "Discards in"], ["interface.availability", "Availability"],
  ["device.cpu_utilisation", "Processor"], ["device.memory_utilisation", "Memory"], ["icmp.rtt_p95", "Delay"], ["icmp.loss", "Loss"], ["sensor.temperature", "Temperature"],
];
const BY = [["interface", "Each by itself"], ["device", "Device"], ["site", "Site"], ["region", "Region"], ["service", "Service"], ["customer", "Customer"], ["role", "Role"], ["vendor", "Vendor"], ["model", "Model"]];

const reads = (unit) => (value) => (unit === "octets/s" ? bits(value * 8) : unit === "ratio" ? `${(100 * value).toFixed(1)} %` : si(value, unit));

function Choice({ label, options, value, name }) {
  return html`<label class="row">${label} <select value=${value} onChange=${(event) => setQuery({ [name]: event.target.value })}>${options.map(([key, says]) => html`<option value=${key} selected=${key === value}>${says}</option>`)}</select></label>`;
}

function Row({ row, says, openable }) {
  const peak = row.cells.reduce((best, cell) => (cell.value !== null && (best === null || cell.value > best) ? cell.value : best), null);
  return html`<tr><th scope="row" class="clip">${openable ? html`<button class="btn bare small" onClick=${() => go(`/performance?entity=${row.entity}`)}>${row.name}</button>` : row.name}</th>
    <td><svg class="heat" viewBox=${`0 0 ${row.cells.length} 1`} preserveAspectRatio="none" role="img" aria-label=${`${row.name}: at most ${says(peak)}`}>${row.cells.map(({ at, share, value }, i) => share !== null && html`<rect x=${i} width="1.02" height="1" data-step=${stepOf(share)}><title>${clock(new Date(at).toISOString())}: ${says(value)}</title></rect>`)}</svg></td>
    <td class="num">${says(peak)}</td></tr>`;
}

function Picture({ answer, by }) {
  const rows = useMemo(() => rowsOf(answer), [answer]);
  if (!rows.length) return html`<${Empty} title="Nothing measured yet">No row of this metric lies in the span.<//>`;
  const says = reads(answer.unit);
  return html`<section class="card scroll" tabindex="0" aria-label="Heat map"><table class="plain heats"><thead><tr><th>${by}</th><th>${clock(new Date(answer.time[0]).toISOString())} to ${clock(new Date(answer.time.at(-1)).toISOString())}, dark is ${says(largestOf(answer.items))}</th><th class="num">Most</th></tr></thead>
    <tbody>${rows.map((row) => html`<${Row} key=${row.entity} row=${row} says=${says} openable=${by === "interface" && answer.metric.startsWith("interface.")} />`)}</tbody></table></section>`;
}

export function HeatMap({ url }) {
  const metric = url.searchParams.get("metric") || METRICS[0][0];
  const by = url.searchParams.get("by") || "interface";
  const end = endOf(spanMs.value);
  const path = target("/api/v1/heatmap", { metric, by, from: new Date(end - spanMs.value).toISOString(), to: new Date(end).toISOString(), cells: CELLS, limit: ROWS, region: region.value });
  const answer = useAnswer(path, [], 0, { keep: true });
  return html`<div class="performance stack"><div class="row"><h1>Heat map</h1><span class="dim">${region.value || "all regions"}, ${span.value}</span><span class="grow" />
    <${Choice} label="Of" name="metric" value=${metric} options=${METRICS} /><${Choice} label="By" name="by" value=${by} options=${BY} />
    <button class="btn small" onClick=${() => setQuery({ view: null, metric: null, by: null }, { replace: false })}>The busiest</button></div>
    <${Answer} of=${answer} rows=${10}>${(data) => html`<${Picture} answer=${data} by=${by} />`}<//></div>`;
}
