// An incident at an instant: which of its alarms stood then. Pure.

/** The alarms that stand at a time, as the map wants them: the last entry of each up to then. */
export function alarmsAt(items, at) {
  const last = new Map();
  for (const it of items) {
    if (Date.parse(it.at) > at) break;
    last.set(it.alarm_id, it);
  }
  return [...last.values()].filter((it) => !it.is_cleared);
}

/** The newest entries up to a time, newest first. */
export const saidAt = (items, at, most = 12) => items.filter((it) => Date.parse(it.at) <= at).slice(-most).reverse();

/** The span to replay: a little before the first entry until a little after the last, or now where it stands. */
export function spanOf({ items, from, to }, margin = 5_000) {
  if (!items.length) return [Date.parse(from), Date.parse(to)];
  const times = items.map((it) => Date.parse(it.at));
  return [Math.min(...times) - margin, Math.max(...times) + margin];
}

/** The next instant of a replay that takes `steps` steps over the whole; it ends at the end. */
export const nextAt = (at, [from, to], steps = 60) => Math.min(to, at + Math.max(1_000, (to - from) / steps));
