// What Now shows: sites with their worst alarm, root causes in the order of harm. Pure.
import { RANK } from "../../severity.js";
import { siteTones, tonesOf } from "../../tones.js";

/** Sites by region: [{region, sites: [{id, name, nodes, tone, alarms}]}], each region's sites by name. */
export function regionsOf(topology, alarms) {
  const tones = siteTones(topology, tonesOf(topology, alarms));
  const nodes = countBy(topology.nodes, (node) => node.site_id);
  const alarmed = countBy(alarms.filter((alarm) => !alarm.is_cleared && !alarm.suppressed), (alarm) => alarm.site);
  const regions = new Map();
  for (const site of topology.sites) {
    const row = { ...site, nodes: nodes.get(site.id) || 0, tone: tones.get(site.id) || "normal", alarms: alarmed.get(site.name) || 0 };
    regions.set(site.region, [...(regions.get(site.region) || []), row]);
  }
  return [...regions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([region, sites]) => ({ region, sites: sites.sort((a, b) => (a.name < b.name ? -1 : 1)) }));
}

function countBy(things, keyOf) {
  const counts = new Map();
  for (const thing of things) counts.set(keyOf(thing), (counts.get(keyOf(thing)) || 0) + 1);
  return counts;
}

/** Open incidents that are no noise: worst first, then by customers and services hurt, then the newest. */
export function ranked(incidents) {
  const rank = (it) => RANK[it.perceived_severity] || 0;
  return incidents
    .filter((it) => !it.noise && it.state === "open")
    .sort((a, b) => rank(b) - rank(a) || b.customers.length - a.customers.length || b.services.length - a.services.length || (a.opened_at < b.opened_at ? 1 : -1));
}

/** Honeycomb rows: `wide` cells fit in a full row, every second row is one shorter. */
export function honeycomb(cells, wide) {
  const rows = [];
  let from = 0;
  while (from < cells.length) {
    const fits = Math.max(1, rows.length % 2 ? wide - 1 : wide);
    rows.push(cells.slice(from, from + fits));
    from += fits;
  }
  return rows;
}

/** The part of a topology in one region; all of it for "". */
export function inRegion(topology, region) {
  if (!region) return topology;
  const sites = topology.sites.filter((site) => site.region === region);
  const there = new Set(sites.map((site) => site.id));
  const nodes = topology.nodes.filter((node) => there.has(node.site_id));
  const known = new Set(nodes.map((node) => node.id));
  return { ...topology, sites, nodes, links: topology.links.filter((link) => known.has(link.a) || known.has(link.b)) };
}

/** Whether an incident holds one of these alarms. */
export function concerns(incident, alarms) {
  const ids = new Set(incident.alarm_ids);
  return alarms.some((alarm) => ids.has(alarm.id));
}

/** A site's name in two or three letters: "Berlin Mitte 2" is BM2, "Potsdam" is Po. */
export function initials(name) {
  const words = name.split(/[\s\-_.]+/).filter(Boolean);
  return words.length > 1 ? words.slice(0, 3).map((word) => [...word][0].toUpperCase()).join("") : [...(words[0] || "–")].slice(0, 2).join("");
}
