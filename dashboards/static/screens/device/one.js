// Everything about one device: facts, traffic of each port, sensors, sessions, neighbours, services, alarms and when they stood.
import { html, useMemo } from "../../view.js";
import { target } from "../../api.js";
import { bits, count, plural, si } from "../../format.js";
import { Mark } from "../../marks.js";
import { quoted } from "../../palette.js";
import { spanHours, span } from "../../place.js";
import { Spark2 } from "../../spark.js";
import { Ago, Answer, Empty, Time, useAnswer } from "../../ui.js";
import { Ribbon } from "../../ribbon.js";
import { ordered, sessionOf, stateOf } from "./model.js";

const EVERY_MS = 60_000;
const SHOWN = 400;

const table = (label, heads, rows) => html`<section class="card scroll" tabindex="0" aria-label=${label}><h2>${label}</h2><table class="plain"><thead><tr>${heads.map((each) => html`<th>${each}</th>`)}</tr></thead><tbody>${rows}</tbody></table></section>`;

function Head({ device, alarms, range }) {
  const up = device.interfaces.filter((each) => stateOf(each) === "up").length;
  const facts = { Site: device.site, Region: device.region, Role: device.role, Vendor: device.vendor, Model: device.model, Address: device.management_address, Profile: device.profile, "Object id": device.sys_object_id, Ports: `${count(up)} of ${count(device.interfaces.length)} up`, Description: device.sys_descr };
  return html`<section class="card stack"><div class="row"><h1>${device.name}</h1><span class="chip">${device.status !== "up" && html`<${Mark} tone="major" /> `}${device.status}</span>${device.severity && html`<span class="chip"><${Mark} tone=${device.severity} /> worst: ${device.severity}</span>`}<span class="dim">seen <${Ago} at=${device.last_seen_at} /> ago</span><span class="grow" />
      <a class="btn small" href=${`/alarms?q=${encodeURIComponent(`device:${quoted(device.name)}`)}`}>Alarms</a><a class="btn small" href=${`/topology?sel=${device.id}`}>On the map</a></div>
    <dl class="facts wide">${Object.entries(facts).filter(([, value]) => value).map(([key, value]) => html`<dt>${key}</dt><dd>${value}</dd>`)}</dl>
    <div class="when"><span class="dim">alarms, ${span.value}</span><${Ribbon} alarms=${alarms} range=${range} /></div></section>`;
}

function Port({ port, curve }) {
  const state = stateOf(port);
  const newest = (values) => values?.findLast((value) => value !== null);
  return html`<tr key=${port.id}><td class="mono"><a href=${`/performance?entity=${port.id}`}>${port.name}</a></td><td>${port.alias || (port.descr === port.name ? "" : port.descr)}</td>
    <td>${state === "down" && html`<${Mark} tone="major" /> `}${port.severity && state !== "down" && html`<${Mark} tone=${port.severity} label /> `}<span class=${state === "up" ? "" : "dim"}>${state}</span></td><td class="num">${port.speed_bps ? bits(port.speed_bps) : "–"}</td>
    <td class="curve">${curve && html`<${Spark2} first=${curve.in_bps} second=${curve.out_bps} label=${`${port.name}: in ${bits(newest(curve.in_bps))}, out ${bits(newest(curve.out_bps))}`} />`}</td>
    <td class="num">${curve ? bits(newest(curve.in_bps)) : "–"}</td><td class="num">${curve ? bits(newest(curve.out_bps)) : "–"}</td>
    <td class="num">${port.utilisation === null ? "–" : html`<meter min="0" max="100" value=${port.utilisation} aria-label="used" /> ${port.utilisation.toFixed(1)} %`}</td></tr>`;
}

function Ports({ device, curves }) {
  const byId = useMemo(() => new Map((curves?.interfaces || []).map((each) => [each.id, each])), [curves]);
  const ports = ordered(device.interfaces);
  return html`<section class="card scroll ports" tabindex="0" aria-label="Interfaces"><h2>Interfaces <span class="dim">curves over ${span.value}: in solid, out dashed; each to its own height</span></h2>
    <table class="plain"><thead><tr><th>Name</th><th>Alias</th><th>State</th><th class="num">Speed</th><th>Traffic</th><th class="num">In</th><th class="num">Out</th><th class="num">Used</th></tr></thead>
    <tbody>${ports.slice(0, SHOWN).map((port) => html`<${Port} key=${port.id} port=${port} curve=${byId.get(port.id)} />`)}</tbody></table>${ports.length > SHOWN && html`<p class="dim">and ${count(ports.length - SHOWN)} more</p>`}</section>`;
}

const UNITS = { celsius: "°C", volts: "V", amperes: "A", watts: "W", hertz: "Hz", seconds: "s", "bits per second": "b/s" };
const COUNTED = new Set(["rpm", "clients", "sessions", "stratum", "errors", "packets"]);
const reading = ({ value, unit }) => (value === null ? "–" : COUNTED.has(unit) ? `${count(Math.round(value))} ${unit}` : unit === "ratio" ? `${(100 * value).toFixed(1)} %` : /dBm?$|celsius/.test(unit) ? `${value.toFixed(1)} ${UNITS[unit] || unit}` : si(value, UNITS[unit] ?? unit));

function Sensors({ sensors }) {
  const read = sensors.filter((each) => each.kind === "sensor");
  if (!read.length) return null;
  return table("Sensors", ["Name", html`<span class="right">Value</span>`, span.value, "Seen"], read.slice(0, SHOWN).map((each) => html`<tr key=${each.id}><td>${each.name}</td><td class="num">${reading(each)}</td><td class="curve"><${Spark2} first=${each.values} floor=${null} label=${`${each.name}: ${reading(each)}`} /></td><td><${Ago} at=${each.at} /></td></tr>`));
}

function Sessions({ sensors }) {
  const sessions = sensors.filter((each) => each.kind === "session" && each.metric === "session.state");
  if (!sessions.length) return null;
  return table("Sessions", ["Peer", "State", "Seen"], sessions.map((each) => {
    const { says, well } = sessionOf(each.value);
    return html`<tr key=${each.id}><td class="mono">${each.name}</td><td>${!well && html`<${Mark} tone="major" /> `}${says}</td><td><${Ago} at=${each.at} /></td></tr>`;
  }));
}

function Alarms({ alarms }) {
  const open = alarms.filter((alarm) => !alarm.is_cleared);
  const past = alarms.length - open.length;
  return html`<section class="card"><h2>Alarms ${past > 0 && html`<span class="dim">${plural(past, "cleared one", "cleared ones")} in the ribbon</span>`}</h2>${open.length
    ? html`<ul class="near">${open.map((alarm) => html`<li class="row" key=${alarm.id}><${Mark} tone=${alarm.perceived_severity} label /><a class="grow clip" href=${`/alarms?sel=${alarm.id}`}>${alarm.object} ${alarm.text}</a><${Time} at=${alarm.raised_at} /></li>`)}</ul>`
    : html`<${Empty} title="0 alarms">Nothing is wrong with it now.<//>`}</section>`;
}

const neighbours = (device) => table("Neighbours", ["Port", "Device", "Its port", "Sure"], device.neighbours.map((each) => html`<tr key=${each.link_id}><td class="mono">${!each.up && html`<${Mark} tone="major" label="down" /> `}${each.local_interface}</td><td><a href=${`/devices/${each.id}`}>${each.name}</a></td><td class="mono">${each.remote_interface}</td><td class="num">${Math.round(100 * each.confidence)} %</td></tr>`));
const missing = (device) => device.missing.length > 0 && table("Heard, but not in the inventory", ["Port", "Neighbour", "Why"], device.missing.map((each) => html`<tr><td class="mono">${each.interface}</td><td>${each.neighbour} <span class="mono">${each.remote_port}</span></td><td>${each.why}</td></tr>`));
const services = (device) => table("Services", ["Service", "Customer"], device.services.map((each) => html`<tr key=${each.id}><td><a href=${`/usage?service=${each.id}`}>${each.name}</a></td><td>${each.customer}</td></tr>`));

function Page({ device }) {
  const curves = useAnswer(target(`/api/v1/devices/${device.id}/performance`, { hours: spanHours.value }), [], EVERY_MS, { keep: true });
  const found = useAnswer(target("/api/v1/alarms", { q: `device:${quoted(device.name)}`, state: "all", sort: "raised_at", limit: 200 }), ["alarm"]);
  const alarms = found.data?.items || [];
  const sensors = curves.data?.sensors || [];
  const end = curves.data ? curves.data.time.at(-1) + curves.data.step_s * 1000 : Date.now();
  const range = [end - spanHours.value * 3_600_000, Math.max(end, Date.now())];
  return html`<div class="stack device"><${Head} device=${device} alarms=${alarms} range=${range} />
    <div class="two"><div class="stack"><${Ports} device=${device} curves=${curves.data} /><${Sensors} sensors=${sensors} /></div>
      <div class="stack"><${Alarms} alarms=${alarms} />${neighbours(device)}<${Sessions} sensors=${sensors} />${missing(device)}${services(device)}</div></div></div>`;
}

export function One({ id }) {
  const device = useAnswer(`/api/v1/devices/${encodeURIComponent(id)}`, ["topology", "alarm"], EVERY_MS);
  return html`<${Answer} of=${device} rows=${8}>${(data) => html`<${Page} device=${data} />`}<//>`;
}
