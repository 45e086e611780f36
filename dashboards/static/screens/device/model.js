// The list of devices: what fits the words, in which order; and how a port, a sensor or a session is read. Pure.

const SEARCHED = ["name", "management_address", "site", "region", "role", "vendor", "model", "status", "severity"];
const UP = 1; // IF-MIB: up(1), down(2), ...
const NATURAL = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Devices in which every word is found somewhere. */
export function matching(devices, text, region) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return devices.filter((it) => (!region || it.region === region) && words.every((word) => SEARCHED.some((name) => String(it[name] ?? "").toLowerCase().includes(word))));
}

export function sorted(devices, { by, down }) {
  const value = (it) => (by === "model" ? `${it.vendor} ${it.model}` : it[by] ?? "");
  const found = [...devices].sort((a, b) => NATURAL.compare(value(a), value(b)) || NATURAL.compare(a.name, b.name));
  return down ? found.reverse() : found;
}

export const stateOf = (port) => (port.gone ? "gone" : port.oper_status === UP ? "up" : port.admin_status === UP ? "down" : "off");

/** Ports in the order of use: with a link or a name someone gave, then the others; each by its number. */
export function ordered(ports) {
  const used = (port) => (port.gone ? 2 : port.link_id || port.alias || stateOf(port) === "up" ? 0 : 1);
  return [...ports].sort((a, b) => used(a) - used(b) || a.if_index - b.if_index);
}

/** A session's state in words, and whether it stands: 1 up, 0 not up. */
export const sessionOf = (value) => (value === null ? { says: "not heard", well: true } : value === 1 ? { says: "up", well: true } : { says: "not up", well: false });
