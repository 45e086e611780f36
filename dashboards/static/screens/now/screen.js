// Now: is the network well, and if not, what is the one thing to look at.
import { html, useEffect, useMemo, useRef, useSignal } from "../../view.js";
import { boot } from "../../boot.js";
import { bits, count, heardOf, plural, span, title } from "../../format.js";
import { Kpis, useSummary } from "../../kpis.js";
import { Mark } from "../../marks.js";
import { quoted } from "../../palette.js";
import { regionFilter, region, spanHours } from "../../place.js";
import { fresh } from "../../fresh.js";
import { target } from "../../api.js";
import { Ago, Answer, Empty, Time, lazy, useAnswer } from "../../ui.js";
import { concerns, honeycomb, initials, inRegion, ranked, regionsOf } from "./model.js";

const HEX_PX = { named: 108, compact: 56 };
const NAMED_MAX = 24;
const ROOTS_MAX = 12;
const NOW_EVERY_MS = 60_000;
const NetworkTraffic = lazy(async () => (await import("../../traffic.js")).NetworkTraffic, { bare: true });

function useWidth() {
  const box = useRef(null);
  const width = useSignal(600);
  useEffect(() => {
    const watcher = new ResizeObserver(() => { if (box.current) width.value = box.current.clientWidth; });
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return [box, width.value];
}

function Hex({ site }) {
  const says = `${site.name}: ${plural(site.nodes, "node")}, ${plural(site.alarms, "alarm")}`;
  const size = Math.max(0.72, Math.min(1, 0.62 + site.nodes / 40));
  return html`<a class="hex" data-tone=${site.tone} href=${`/alarms?q=${encodeURIComponent(`site:${quoted(site.name)}`)}`} title=${says} aria-label=${`${says}, ${site.tone}`}>
    <svg viewBox="0 0 100 110" aria-hidden="true"><path d="M50 4 94 29.5v51L50 106 6 80.500v-51z" style=${{ transform: `scale(${size})`, stroke: site.tone === "normal" ? undefined : `var(--${site.tone})` }} /></svg>
    <span class="hex-in">${site.tone !== "normal" && html`<${Mark} tone=${site.tone} />`}<b class="dim hex-short">${initials(site.name)}</b><span class="hex-name clip">${site.name}${site.nodes > 1 ? ` · ${count(site.nodes)}` : ""}</span></span>
  </a>`;
}

function Region({ region, sites, wide }) {
  return html`<div class="region"><h3>${region || "No region"}</h3>${honeycomb(sites, wide).map((row, i) => html`<div class="hexes" data-odd=${i % 2 ? "" : undefined}>${row.map((site) => html`<${Hex} key=${site.id} site=${site} />`)}</div>`)}</div>`;
}

function Sites({ topology, alarms }) {
  const [box, width] = useWidth();
  const regions = useMemo(() => (topology.data ? regionsOf(topology.data, alarms.data?.items || []) : []), [topology.data, alarms.data]);
  const compact = (topology.data?.sites.length || 0) > NAMED_MAX;
  const across = Math.max(1, Math.min(regions.length, Math.floor(width / (compact ? 200 : 280))));
  const wide = Math.max(2, Math.floor((width / across - 24) / HEX_PX[compact ? "compact" : "named"]));
  return html`<section class="card sites"><header><h2>Sites</h2><span class="grow" /><a href="/topology">map</a></header>
    <div ref=${box} class="regions" data-compact=${compact ? "" : undefined}><${Answer} of=${topology}>${() => (regions.length ? regions.map((each) => html`<${Region} ...${each} wide=${wide} />`) : html`<${Empty} title="No sites yet">Discovery fills this picture.<//>`)}<//></div>
  </section>`;
}

function Root({ it }) {
  const alarm = it.root_alarm_ids?.[0] || it.alarm_ids?.[0];
  const hurt = [it.customers.length && plural(it.customers.length, "customer"), it.services.length && plural(it.services.length, "service")].filter(Boolean).join(", ");
  return html`<li><a href=${alarm ? `/alarms?sel=${alarm}` : "/alarms"}>
    <${Mark} tone=${it.perceived_severity || "indeterminate"} label />
    <span class=${it.missing_link ? "grow unknown" : "grow"}><b class="clip">${it.root.name}</b><span class="dim clip">${it.missing_link ? html`<b>I do not know:</b> the link ${it.missing_link} is missing.` : it.explanation?.summary}</span></span>
    <span class="hurt-by"><b>${hurt || "nobody hurt"}</b><span class="dim">${plural(it.alarms, "alarm")} · <${Ago} at=${it.opened_at} /></span></span>
  </a></li>`;
}

function Roots({ incidents, freshness }) {
  return html`<section class="card roots"><header><h2>Root causes</h2><span class="grow" /><a href="/alarms">all alarms</a></header>
    <${Answer} of=${incidents}>${(data) => {
      const rows = ranked(data.items);
      if (!rows.length) return html`<${Empty} title="Nothing is broken">${heardOf(freshness)}<//>`;
      return html`<ul>${rows.slice(0, ROOTS_MAX).map((it) => html`<${Root} key=${it.id} it=${it} />`)}</ul>${rows.length > ROOTS_MAX && html`<p class="dim">and ${count(rows.length - ROOTS_MAX)} more</p>`}`;
    }}<//></section>`;
}

/** A rate beside the same hour a week ago: the bar is the rate, the tick is then. */
function Flow({ name, bps, before }) {
  const top = Math.max(bps, before, 1);
  const change = before > 0 ? Math.round((bps / before - 1) * 100) : null;
  const than = change === null ? "nothing known of last week" : `${change > 0 ? "+" : ""}${change} % · ${bits(before)} a week ago`;
  return html`<div class="flow-of"><dt>${title(name)}</dt><dd><b data-live-value>${bits(bps)}</b> <span class="dim">${than}</span>
    <i class=${`flow-bar ${name}`} style=${{ width: `${(100 * bps) / top}%` }} aria-hidden="true" />${before > 0 && html`<i class="then" style=${{ left: `${(100 * before) / top}%` }} aria-hidden="true" />`}</dd></div>`;
}

function Traffic({ state }) {
  const inSight = region.value ? `interfaces of ${region.value}` : "interfaces";
  return html`<section class="card traffic"><header><h2>Traffic</h2><span class="dim">of all ${inSight}; behind and at the tick: the same hours a week ago</span></header>
    <${Answer} of=${state}>${(data) => html`<dl class="flows"><${Flow} name="in" bps=${data.in_bps} before=${data.week_ago_in_bps} /><${Flow} name="out" bps=${data.out_bps} before=${data.week_ago_out_bps} /></dl>`}<//>
    <${NetworkTraffic} hours=${Math.max(4, spanHours.value)} region=${region.value} height=${220} /></section>`;
}

function Freshness({ state }) {
  return html`<section class="card"><h2>Freshness</h2><${Answer} of=${state}>${({ freshness }) => {
    if (!freshness.interfaces) return html`<${Empty} title="Nothing polled yet" />`;
    const whole = freshness.heard === freshness.interfaces;
    return html`<dl class="facts">
      <dt>Heard</dt><dd data-live-value>${!whole && html`<${Mark} tone="warning" label="not all" /> `}${count(freshness.heard)} of ${plural(freshness.interfaces, "interface")}</dd>
      <dt>Typical age</dt><dd data-live-value>${freshness.median_age_s === null ? "nothing yet" : span(freshness.median_age_s * 1000)}</dd>
    </dl>`;
  }}<//></section>`;
}

function Changes({ alarms }) {
  return html`<section class="card changes"><h2>Latest changes</h2><${Answer} of=${alarms}>${(data) => html`<ul>
    ${[...data.items].sort((a, b) => (a.changed_at < b.changed_at ? 1 : -1)).slice(0, 7).map((alarm) => html`<li key=${alarm.id}><${Time} at=${alarm.changed_at} /><${Mark} tone=${alarm.is_cleared ? "cleared" : alarm.perceived_severity} label />
      <a class="grow clip" href=${`/alarms?sel=${alarm.id}`}>${alarm.device || alarm.object} · ${alarm.text || title(alarm.alarm_type)}</a></li>`)}
    ${!data.items.length && html`<li class="dim">No alarm has changed.</li>`}</ul>`}<//></section>`;
}

/** What `/now` says, with the present as it is told every few seconds where the whole network is meant. */
function useNow() {
  const answer = useAnswer(target("/api/v1/now", { region: region.value }), [], NOW_EVERY_MS);
  const live = region.value ? null : fresh.value;
  return { ...answer, data: answer.data && { ...answer.data, ...live } };
}

export default function Now() {
  const summary = useSummary();
  const incidents = useAnswer("/api/v1/incidents?state=open", ["incident"]);
  const whole = useAnswer("/api/v1/topology", ["topology"]);
  const state = useNow();
  const alarms = useAnswer(target("/api/v1/alarms", { q: regionFilter(), state: "active", sort: "severity", limit: 1000 }), ["alarm"]);
  const topology = useMemo(() => ({ ...whole, data: whole.data && inRegion(whole.data, region.value) }), [whole.data, whole.error, region.value]);
  const mine = useMemo(() => ({ ...incidents, data: incidents.data && { items: incidents.data.items.filter((it) => !region.value || concerns(it, alarms.data?.items || [])) } }), [incidents.data, incidents.error, alarms.data, region.value]);
  return html`<div class="now" data-testid="now" data-simulated=${boot.simulated ? "" : undefined}>
    <h1 class="hidden-text">Now</h1>
    <${Kpis} summary=${summary} />
    <${Sites} topology=${topology} alarms=${alarms} />
    <${Roots} incidents=${mine} freshness=${state.data?.freshness} />
    <${Traffic} state=${state} />
    <div class="stack side"><${Freshness} state=${state} /><${Changes} alarms=${alarms} /></div>
  </div>`;
}
