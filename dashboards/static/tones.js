// Which mark each node, link and site wears: the worst active alarm on it or on a part of it. Pure.
import { worst } from "./severity.js";

const active = (alarm) => !alarm.is_cleared && !alarm.shelved;

/** Tones of nodes by device id, of links by id or by the interface at either end. */
export function tonesOf(topology, alarms) {
  const tones = new Map();
  const linkOf = new Map();
  for (const link of topology.links) for (const end of [link.id, link.a_interface, link.b_interface]) linkOf.set(end, link.id);
  const put = (id, tone) => id && tones.set(id, worst([tones.get(id) || "normal", tone]));
  for (const alarm of alarms) {
    if (!active(alarm)) continue;
    const link = linkOf.get(alarm.resource_id);
    put(link || alarm.device_id, alarm.perceived_severity);
  }
  return tones;
}

/** The worst tone per site id, the links' own left out. */
export function siteTones(topology, tones) {
  const found = new Map();
  const siteOf = new Map(topology.nodes.map((node) => [node.id, node.site_id]));
  for (const node of topology.nodes) if (tones.has(node.id)) found.set(node.site_id, worst([found.get(node.site_id) || "normal", tones.get(node.id)]));
  for (const link of topology.links) {
    if (!tones.has(link.id)) continue;
    for (const end of [link.a, link.b]) found.set(siteOf.get(end), worst([found.get(siteOf.get(end)) || "normal", tones.get(link.id)]));
  }
  return found;
}
