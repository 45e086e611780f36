// Devices, and everything about one of them.
import { html } from "../../view.js";
import { bits, plural } from "../../format.js";
import { Mark } from "../../marks.js";
import { quoted } from "../../palette.js";
import { Ago, Answer, Empty, Time, useAnswer } from "../../ui.js";

const UP = 1; // IF-MIB: up(1), down(2), ...
const table = (label, heads, rows) => html`<div class="card scroll" tabindex="0" role="region" aria-label=${label}><h2>${label}</h2><table class="plain"><thead><tr>${heads.map((each) => html`<th>${each}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;

function Head({ device }) {
  const facts = { Site: device.site, Region: device.region, Role: device.role, Vendor: device.vendor, Model: device.model, Address: device.management_address, Profile: device.profile, Description: device.sys_descr };
  return html`<section class="card stack"><div class="row"><h1>${device.name}</h1><span class="chip">${device.status}</span><span class="dim">seen <${Ago} at=${device.last_seen_at} /> ago</span><span class="grow" /><a class="btn small" href=${`/topology?sel=${device.id}`}>On the map</a></div>
    <dl class="facts wide">${Object.entries(facts).filter(([, value]) => value).map(([key, value]) => html`<dt>${key}</dt><dd>${value}</dd>`)}</dl></section>`;
}

function Ports({ device }) {
  const state = (each) => (each.gone ? "gone" : each.oper_status === UP ? "up" : each.admin_status === UP ? "down" : "off");
  return table("Interfaces", ["Name", "Alias", "State", "Speed", "Used", "Traffic"], device.interfaces.map((each) => html`<tr key=${each.id}><td class="mono">${each.name}</td><td>${each.alias || (each.descr === each.name ? "" : each.descr)}</td><td>${state(each) === "down" && html`<${Mark} tone="major" /> `}${state(each)}</td><td>${each.speed_bps ? bits(each.speed_bps) : "–"}</td><td>${each.utilisation === null ? "–" : `${each.utilisation.toFixed(1)} %`}</td><td><a href=${`/performance?entity=${each.id}`}>chart</a></td></tr>`));
}

function Alarms({ device }) {
  const alarms = useAnswer(`/api/v1/alarms?${new URLSearchParams({ q: `device:${quoted(device.name)}`, state: "active", sort: "severity", limit: "50" })}`, ["alarm"]);
  return html`<section class="card"><h2>Alarms</h2><${Answer} of=${alarms}>${(data) => (data.items.length ? html`<ul class="near">${data.items.map((alarm) => html`<li class="row" key=${alarm.id}><${Mark} tone=${alarm.perceived_severity} label /><a class="grow clip" href=${`/alarms?sel=${alarm.id}`}>${alarm.object} ${alarm.text}</a><${Time} at=${alarm.raised_at} /></li>`)}</ul>` : html`<${Empty} title="0 alarms" />`)}<//></section>`;
}

function One({ id }) {
  const device = useAnswer(`/api/v1/devices/${encodeURIComponent(id)}`, ["topology"]);
  return html`<${Answer} of=${device} rows=${8}>${(data) => html`<div class="stack device"><${Head} device=${data} />
    <div class="two"><div class="stack"><${Ports} device=${data} />${data.sensors?.length > 0 && table("Sensors and sessions", ["Name", "Kind"], data.sensors.map((each) => html`<tr key=${each.id}><td>${each.name}</td><td class="dim">${each.gone ? "gone" : each.kind}</td></tr>`))}</div>
    <div class="stack"><${Alarms} device=${data} />
      ${table("Neighbours", ["Port", "Device", "Its port"], data.neighbours.map((each) => html`<tr key=${each.link_id}><td class="mono">${each.up ? "" : "✕ "}${each.local_interface}</td><td><a href=${`/devices/${each.id}`}>${each.name}</a></td><td class="mono">${each.remote_interface}</td></tr>`))}
      ${data.missing.length > 0 && table("Heard, but not in the inventory", ["Port", "Neighbour", "Why"], data.missing.map((each) => html`<tr><td class="mono">${each.interface}</td><td>${each.neighbour} <span class="mono">${each.remote_port}</span></td><td>${each.why}</td></tr>`))}
      ${table("Services", ["Service", "Customer"], data.services.map((each) => html`<tr key=${each.id}><td><a href=${`/usage?service=${each.id}`}>${each.name}</a></td><td>${each.customer}</td></tr>`))}</div></div></div>`}<//>`;
}

function All() {
  const devices = useAnswer("/api/v1/devices?limit=1000", ["topology"]);
  return html`<div class="stack"><h1>Devices</h1><${Answer} of=${devices} rows=${12}>${(data) => (data.items.length
    ? table(plural(data.total ?? data.items.length, "device"), ["Name", "Site", "Role", "Model", "Status", "Seen"], data.items.map((each) => html`<tr key=${each.id}><td><a href=${`/devices/${each.id}`}>${each.name}</a></td><td>${each.site}</td><td>${each.role}</td><td>${[each.vendor, each.model].filter(Boolean).join(" ")}</td><td>${each.status}</td><td><${Time} at=${each.last_seen_at} /></td></tr>`))
    : html`<${Empty} title="No devices yet">Discovery finds them inside the ranges it was given.<//>`)}<//></div>`;
}

export default function Device({ url }) {
  const id = url.pathname.split("/")[2];
  return id ? html`<${One} id=${decodeURIComponent(id)} key=${id} />` : html`<${All} />`;
}
