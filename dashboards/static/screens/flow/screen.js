// Flow: what the traffic was made of, as exporters of NetFlow, IPFIX and sFlow saw it, and who they are.
import { html } from "../../view.js";
import { target } from "../../api.js";
import { Chart } from "../../chart.js";
import { bits, count, si } from "../../format.js";
import { Mark } from "../../marks.js";
import { span, spanMs } from "../../place.js";
import { setQuery } from "../../router.js";
import { endOf } from "../../traffic.js";
import { Ago, Answer, Empty, useAnswer } from "../../ui.js";

const BY = { application: "Application", interface: "Interface", customer: "Customer", source_prefix: "From prefix", destination_prefix: "To prefix", source_as: "From AS", destination_as: "To AS" };
const SHOWN = 25;
const EVERY_MS = 30_000;

const iso = (ms) => new Date(ms).toISOString();
const Share = ({ of }) => html`<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${100 * of} height="6" /></svg>`;

/** A name leads on where something is known of it: an interface to what went through it, a customer nowhere. */
function Name({ row, by }) {
  return by === "interface" && row.id ? html`<button class="btn bare small" onClick=${() => setQuery({ interface: row.id, by: null }, { replace: false })}>${row.name}</button>` : row.name;
}

function Largest({ answer }) {
  const { items, by, total } = answer;
  const ways = by === "interface" || by === "customer";
  return html`<section class="card scroll" tabindex="0" aria-label=${`Largest by ${BY[by]}`}><h2>Largest by ${BY[by].toLowerCase()}</h2><table class="plain"><thead><tr><th>${BY[by]}</th><th class="num">Mean</th>${ways && html`<th class="num">In</th><th class="num">Out</th>`}<th class="num">Octets</th><th>Share</th></tr></thead><tbody>
    ${items.map((row) => html`<tr key=${`${row.id} ${row.name}`}><td><${Name} row=${row} by=${by} /></td><td class="num">${bits(row.mean_bps)}</td>${ways && html`<td class="num">${si(row.in_octets, "B")}</td><td class="num">${si(row.out_octets, "B")}</td>`}<td class="num">${si(row.octets, "B")}</td><td><span class="row"><${Share} of=${row.share} /> ${(100 * row.share).toFixed(1)} %</span></td></tr>`)}
  </tbody></table>${total > items.length && html`<p class="dim">and ${count(total - items.length)} smaller ones</p>`}</section>`;
}

function Traffic({ answer, from, to }) {
  const { curve, octets, counted } = answer;
  if (!octets) {
    return html`<${Empty} title="No flow in this span">Routers send NetFlow, IPFIX or sFlow to the ports under [flow] of the settings; a packet counts ${counted === "entering" ? "where it enters the network: try every hop" : "at every router that it crosses"}.<//>`;
  }
  const lines = [{ name: "all flows", color: "--series-1", width: 2, values: curve.bps }];
  return html`<section class="card" aria-label="All flows over time"><header><h2>All flows</h2><b>${bits((octets * 8000) / (to - from))} <span class="dim">mean</span></b></header><${Chart} label="Traffic of all flows" times=${curve.time} lines=${lines} range=${[from, to]} unit="b/s" height=${150} /></section><${Largest} answer=${answer} />`;
}

function Exporters() {
  const state = useAnswer("/api/v1/flow/exporters", [], EVERY_MS);
  return html`<section class="card scroll" tabindex="0" aria-label="Exporters"><h2>Exporters since the station started</h2><${Answer} of=${state}>${({ items, total }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Exporter</th><th>Heard</th><th class="num">Datagrams</th><th class="num">Records</th><th class="num">Lost</th><th class="num">Refused</th><th>Packets per sample</th></tr></thead><tbody>
      ${items.map((each) => html`<tr key=${each.address}><td>${each.device ? html`<a href=${`/devices/${each.device}`}>${each.name}</a>` : each.name} <span class="dim mono">${each.address}</span></td><td><${Ago} at=${each.heard_at} /></td><td class="num">${count(each.datagrams)}</td><td class="num">${count(each.records)}</td><td class="num">${each.lost > 0 && html`<${Mark} tone="minor" label="lost on the way" /> `}${count(each.lost)}</td><td class="num">${count(each.refused)}</td><td class="mono">${each.sampling.slice(0, 4).join(", ") || "not told"}</td></tr>`)}
    </tbody></table>${total > items.length && html`<p class="dim">and ${count(total - items.length)} more</p>`}`
    : html`<${Empty} title="Nobody exports flows yet">Only devices of the inventory are heard.<//>`)}<//></section>`;
}

export default function Flow({ url }) {
  const chosen = url.searchParams.get("by");
  const by = BY[chosen] ? chosen : "application";
  const narrowed = url.searchParams.get("interface") || undefined;
  const hops = url.searchParams.get("hops") === "1";
  const to = endOf(spanMs.value);
  const from = to - spanMs.value;
  const state = useAnswer(target("/api/v1/flow/top", { by, from: iso(from), to: iso(to), limit: SHOWN, interface: narrowed, counted: hops ? "every hop" : undefined }), [], 0, { keep: true });
  return html`<div class="flows stack"><div class="row"><h1>Flow</h1><span class="dim">${span.value}${narrowed ? ", one interface" : ""}</span><span class="grow" />
      ${narrowed && html`<button class="btn small" onClick=${() => setQuery({ interface: null }, { replace: false })}>All interfaces</button>`}
      <button class="btn small" aria-pressed=${hops ? "true" : "false"} title="Count a packet at every router that it crosses, not once where it enters" onClick=${() => setQuery({ hops: hops ? null : "1" })}>Every hop</button></div>
    <div class="row wrap" role="group" aria-label="Largest by">${Object.entries(BY).map(([name, says]) => html`<button class="btn small" aria-pressed=${name === by ? "true" : "false"} onClick=${() => setQuery({ by: name })}>${says}</button>`)}</div>
    <${Answer} of=${state} rows=${10}>${(answer) => html`<${Traffic} answer=${answer} from=${from} to=${to} />`}<//><${Exporters} /></div>`;
}
