// Topology: where it hurts, and in a simulated network, a place to hurt it.
import { html, useEffect, useMemo, useRef, useSignal } from "../../view.js";
import { post, target } from "../../api.js";
import { boot, may } from "../../boot.js";
import { bits, count, plural, title } from "../../format.js";
import { GraphCanvas } from "../../graph.js";
import { useKeys } from "../../keys.js";
import { Mark } from "../../marks.js";
import { inRegion } from "../now/model.js";
import { region, regionFilter } from "../../place.js";
import { setQuery } from "../../router.js";
import { tonesOf } from "../../tones.js";
import { Answer, Time, toast, toastProblem, useAnswer } from "../../ui.js";
import { Incidents, Replay } from "./incident.js";
import { alarmsAt } from "./replay_model.js";

const MISSING_MAX = 20;
const BROKEN_EVERY_MS = 10_000;

/** Ask the simulated network for something, say how it went, and look again at what is broken. */
async function ask(verb, body, says, again) {
  try {
    await post(`/api/v1/simulation/${verb}`, body);
    toast(says);
    again();
  } catch (error) {
    toastProblem(error);
  }
}

function Simulate({ id, broken, again }) {
  if (!boot.simulated || !may("engineer")) return null;
  const act = (verb, says) => ask(verb, { resource_id: id }, says, again);
  return broken.some((each) => each.resource_id === id)
    ? html`<button class="btn primary" onClick=${() => act("restore", "Put back; the alarms clear by themselves.")}>Put it back</button>`
    : html`<button class="btn" onClick=${() => act("cut", "Cut. Watch the alarms come and one root be named.")}>Cut this</button>`;
}

function Stories({ stories, broken, again }) {
  if (!may("engineer")) return null;
  return html`${broken.length > 0 && html`<section class="card stack"><h2>Broken on purpose</h2><ul class="near">${broken.map((each) => html`<li><button class="btn bare small" disabled=${!each.resource_id} onClick=${() => setQuery({ sel: each.resource_id })}>✕ ${each.name}</button></li>`)}</ul></section>`}
    <section class="card stack"><h2>Play a story</h2><ul class="near">${stories.map((each) => html`<li><button class="btn small" title=${each.text} onClick=${() => ask("story", { name: each.name }, each.text, again)}>${title(each.name)}</button></li>`)}</ul></section>`;
}

const alarmsOn = (alarms, ids) => alarms.filter((alarm) => !alarm.is_cleared && ids.includes(alarm.resource_id)).slice(0, 8);
const AlarmList = ({ alarms }) => html`<ul class="stack near">${alarms.map((alarm) => html`<li class="row"><${Mark} tone=${alarm.perceived_severity} label /><a class="grow clip" href=${`/alarms?sel=${alarm.id}`}>${alarm.object} ${alarm.text}</a><${Time} at=${alarm.raised_at} /></li>`)}</ul>`;

/** Neighbours that a node hears and the inventory does not know. */
const Missing = ({ ends }) => html`<h2>Heard, but not in the inventory</h2><ul class="near">${ends.map((end) => html`<li class="hatch"><b>${end.text}</b> <span class="dim">${[end.interface, end.why].filter(Boolean).join(" · ")}</span></li>`)}</ul>`;

function NodePanel({ node, topology, alarms, broken, again }) {
  const site = topology.sites.find((each) => each.id === node.site_id);
  const names = new Map(topology.nodes.map((each) => [each.id, each.name]));
  const missing = topology.missing.filter((end) => end.node === node.id);
  const links = topology.links.filter((link) => link.a === node.id || link.b === node.id);
  const mine = alarms.filter((alarm) => !alarm.is_cleared && alarm.device_id === node.id).slice(0, 8);
  return html`<section class="card stack"><h1>${node.name}</h1>
    <dl class="facts"><dt>Site</dt><dd>${site?.name || "–"}</dd><dt>Role</dt><dd>${node.role}</dd><dt>Status</dt><dd>${node.status}</dd></dl>
    <p class="row"><a class="btn" href=${`/devices/${node.id}`}>Everything about it</a><${Simulate} id=${node.id} broken=${broken} again=${again} /></p>
    ${mine.length > 0 && html`<h2>Alarms</h2><${AlarmList} alarms=${mine} />`}
    <h2>Links</h2><ul class="near">${links.map((link) => html`<li><button class="btn bare small" onClick=${() => setQuery({ sel: link.id })}>${link.up ? "–" : "✕"} ${names.get(link.a === node.id ? link.b : link.a)} <span class="dim">${link.a === node.id ? link.a_name : link.b_name} · ${bits(link.speed_bps)}</span></button></li>`)}</ul>
    ${missing.length > 0 && html`<${Missing} ends=${missing} />`}
  </section>`;
}

function LinkPanel({ link, topology, alarms, broken, again }) {
  const names = new Map(topology.nodes.map((node) => [node.id, node.name]));
  const mine = alarmsOn(alarms, [link.id, link.a_interface, link.b_interface]);
  return html`<section class="card stack"><h1>${names.get(link.a)} – ${names.get(link.b)}</h1>
    <dl class="facts"><dt>Ends</dt><dd>${names.get(link.a)} <span class="mono">${link.a_name}</span><br />${names.get(link.b)} <span class="mono">${link.b_name}</span></dd><dt>State</dt><dd>${link.up ? "up" : "down"}</dd><dt>Speed</dt><dd>${bits(link.speed_bps)}${link.utilisation !== null && `, ${link.utilisation.toFixed(1)} % used`}</dd>
      ${link.duct && html`<dt>Duct</dt><dd>${link.duct}</dd>`}
      <dt>Known by</dt><dd>${(link.sources || []).join(", ")} · ${Math.round((link.confidence || 0) * 100)} % sure</dd></dl>
    <p class="row"><a class="btn" href=${`/performance?entity=${link.a_interface}`}>Traffic</a><${Simulate} id=${link.id} broken=${broken} again=${again} /></p>
    ${mine.length > 0 && html`<h2>Alarms</h2><${AlarmList} alarms=${mine} />`}
  </section>`;
}

function Legend({ topology, stories, broken, again }) {
  return html`<section class="card stack"><h1>The network</h1><p class="dim">Choose a node or a link. Grey is healthy; a shape says what is not.</p>
    <ul class="legend">${["critical", "major", "minor", "warning", "indeterminate"].map((tone) => html`<li class="row"><${Mark} tone=${tone} /> ${title(tone)}</li>`)}<li class="row"><b>– ✕ –</b> link down</li><li class="row"><b>◌</b> node not reachable</li></ul>
    <p class="dim">Drag to move, wheel to zoom, arrow keys to walk, <kbd>0</kbd> to see all.</p></section>
    ${topology.missing.length > 0 && html`<section class="card stack"><${Missing} ends=${topology.missing.slice(0, MISSING_MAX)} /></section>`}
    ${boot.simulated && html`<${Stories} stories=${stories} broken=${broken} again=${again} />`}`;
}

function ListTwin({ topology, tones }) {
  const names = new Map(topology.nodes.map((node) => [node.id, node.name]));
  return html`<div class="card scroll" tabindex="0" role="region" aria-label="Nodes and links" data-testid="topology-list"><table class="plain"><thead><tr><th>Node or link</th><th>State</th><th>Worst alarm</th></tr></thead><tbody>
    ${topology.nodes.map((node) => html`<tr key=${node.id}><td><button class="btn bare small" onClick=${() => setQuery({ sel: node.id })}>${node.name}</button></td><td>${node.status}</td><td>${tones.get(node.id) || "none"}</td></tr>`)}
    ${topology.links.map((link) => html`<tr key=${link.id}><td><button class="btn bare small" onClick=${() => setQuery({ sel: link.id })}>${names.get(link.a)} – ${names.get(link.b)}</button></td><td>${link.up ? "up" : "down"}</td><td>${tones.get(link.id) || "none"}</td></tr>`)}
  </tbody></table></div>`;
}

function Panel({ chosen, ...rest }) {
  const node = rest.topology.nodes.find((each) => each.id === chosen);
  const link = rest.topology.links.find((each) => each.id === chosen);
  return node ? html`<${NodePanel} node=${node} ...${rest} />` : link ? html`<${LinkPanel} link=${link} ...${rest} />` : html`<${Legend} ...${rest} />`;
}

const FOUND_MAX = 12;
const LOOK_EVERY_MS = 30_000; // a port that goes down without an incident is seen then

/** Find a node or a link by its name, and bring it to the middle. */
function Find({ topology, found }) {
  const text = useSignal("");
  const input = useRef(null);
  useKeys({ "/": ["Find on the map", () => input.current.focus()] });
  const names = useMemo(() => {
    const named = new Map(topology.nodes.map((node) => [node.id, node.name]));
    const sites = new Map(topology.sites.map((site) => [site.id, site.name]));
    const nodes = topology.nodes.map((node) => ({ id: node.id, name: node.name, also: sites.get(node.site_id) || "" }));
    const links = topology.links.map((link) => ({ id: link.id, name: `${named.get(link.a)} – ${named.get(link.b)}`, also: `${link.a_name} ${link.b_name} ${link.duct || ""}` }));
    return [...nodes, ...links];
  }, [topology]);
  const wanted = text.value.trim().toLowerCase();
  const hits = wanted ? names.filter((it) => `${it.name} ${it.also}`.toLowerCase().includes(wanted)).slice(0, FOUND_MAX) : [];
  const take = (it) => { text.value = ""; found(it.id); };
  const press = (event) => {
    if (event.key === "Enter" && hits[0]) take(hits[0]);
    else if (event.key === "Escape") { text.value = ""; event.target.blur(); }
  };
  return html`<div class="find"><input ref=${input} class="field" type="search" role="combobox" aria-label="Find on the map" aria-expanded=${hits.length ? "true" : "false"} aria-controls="map-hits" placeholder="find a node, link, site  ( / )" autocomplete="off" value=${text.value} onInput=${(e) => { text.value = e.target.value; }} onKeyDown=${press} />
    <ul id="map-hits" role="listbox" aria-label="Found" hidden=${!hits.length}>${hits.map((it, i) => html`<li key=${it.id} role="option" aria-selected=${i === 0 ? "true" : "false"} onMouseDown=${(e) => { e.preventDefault(); take(it); }}>${it.name} <span class="dim">${it.also}</span></li>`)}</ul></div>`;
}

/** What the pointer is over, in words. */
function Hint({ topology, hovered, tones }) {
  if (!hovered) return null;
  const { kind, thing } = hovered;
  const names = new Map(topology.nodes.map((node) => [node.id, node.name]));
  const site = topology.sites.find((each) => each.id === thing.site_id)?.name;
  const says = kind === "node" ? [site, thing.role, thing.status] : [bits(thing.speed_bps), thing.up ? (thing.utilisation === null ? "up" : `${thing.utilisation.toFixed(0)} % used`) : "down", thing.duct];
  return html`<p class="hint card" aria-hidden="true"><b>${kind === "node" ? thing.name : `${names.get(thing.a)} – ${names.get(thing.b)}`}</b> <span class="dim">${says.filter(Boolean).join(" · ")}</span>${tones.has(thing.id) && html` <${Mark} tone=${tones.get(thing.id)} /> ${tones.get(thing.id)}`}</p>`;
}

function Picture({ topology, chosen, incident, asList }) {
  const incidents = useAnswer("/api/v1/incidents?state=open&limit=100", ["incident"]);
  const replayed = useAnswer(incident && `/api/v1/incidents/${encodeURIComponent(incident)}/timeline`, ["incident"], 0, { keep: true });
  const at = useSignal(null);
  const then = incident ? replayed.data : null;
  const alarms = useAnswer(target("/api/v1/alarms", { q: regionFilter(), state: "active", sort: "severity", limit: 1000 }), ["alarm"]);
  const simulation = useAnswer(boot.simulated ? "/api/v1/simulation" : null, ["topology", "story"], BROKEN_EVERY_MS);
  const graph = useRef(null);
  const hovered = useSignal(null);
  const items = alarms.data?.items || [];
  const stood = useMemo(() => (then ? alarmsAt(then.items, at.value ?? Date.parse(then.to)) : items), [then, at.value, alarms.data]);
  const tones = useMemo(() => tonesOf(topology, stood), [topology, stood]);
  const { broken = [], stories = [] } = simulation.data || {};
  useEffect(() => { at.value = null; }, [incident]);
  useKeys({ 0: ["See all of the map", () => graph.current?.fit()], Escape: ["Choose nothing", () => setQuery({ sel: null })] });
  const label = `Map of ${plural(topology.nodes.length, "node")} and ${plural(topology.links.length, "link")}; the list view says the same in words`;
  return html`${asList ? html`<${ListTwin} topology=${topology} tones=${tones} />` : html`<div class="card map"><${GraphCanvas} main topology=${topology} tones=${tones} chosen=${chosen} label=${label}
      onGraph=${(it) => { graph.current = it; if (chosen) it.goTo(chosen); }} onHover=${(found) => { hovered.value = found; }} onPick=${(found) => setQuery({ sel: found ? found.thing.id : null })} />
      <${Find} topology=${topology} found=${(id) => { setQuery({ sel: id }); graph.current.goTo(id); }} /><${Hint} topology=${topology} hovered=${hovered.value} tones=${tones} />
      <div class="row zoom"><button class="btn small" aria-label="Closer" onClick=${() => graph.current.zoom(1.5)}>+</button><button class="btn small" aria-label="Further" onClick=${() => graph.current.zoom(1 / 1.5)}>−</button><button class="btn small" onClick=${() => graph.current.fit()}>All</button></div></div>`}
    <aside class="side scroll stack" aria-label="Chosen" tabindex="0">${incident && html`<${Replay} found=${replayed} at=${at} />`}${!incident && !chosen && html`<${Incidents} items=${incidents.data?.items || []} />`}<${Panel} chosen=${chosen} topology=${topology} alarms=${items} broken=${broken} stories=${stories} again=${simulation.again} /></aside>`;
}

export default function Topology({ url }) {
  const topology = useAnswer("/api/v1/topology", ["topology", "device", "incident"], LOOK_EVERY_MS);
  const asList = useSignal(false);
  const shown = useMemo(() => topology.data && inRegion(topology.data, region.value), [topology.data, region.value]);
  return html`<div class="topology">
    <div class="row head"><h1>Topology</h1><span class="dim">${shown && `${count(shown.nodes.length)} nodes, ${count(shown.links.length)} links${region.value ? ` in ${region.value}` : ""}`}</span><span class="grow" />
      <button class="btn" aria-pressed=${asList.value ? "true" : "false"} onClick=${() => { asList.value = !asList.value; }}>List view</button></div>
    <${Answer} of=${topology} rows=${10}>${() => html`<${Picture} key=${region.value} topology=${shown} chosen=${url.searchParams.get("sel")} incident=${url.searchParams.get("incident")} asList=${asList.value} />`}<//>
  </div>`;
}
