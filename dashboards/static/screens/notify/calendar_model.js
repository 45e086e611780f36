// Weeks of planned work as a grid of days. Pure.

const DAY_MS = 86_400_000;

/** The Monday 00:00 (local) of the week of a time. */
export function monday(at) {
  const day = new Date(at);
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - ((day.getDay() + 6) % 7));
  return day;
}

/** `n` weeks from a Monday: rows of seven {date, items}; an item stands in each day that it touches. */
export function weeks(from, n, items) {
  const spans = items.map((it) => ({ it, begins: Date.parse(it.begins_at), ends: Date.parse(it.ends_at) }));
  return Array.from({ length: n }, (_, week) => Array.from({ length: 7 }, (_, day) => {
    const date = new Date(from);
    date.setDate(date.getDate() + 7 * week + day);
    const next = new Date(date);
    next.setDate(next.getDate() + 1);
    return { date, items: spans.filter(({ begins, ends }) => begins < next && ends > date).map(({ it }) => it) };
  }));
}

export const isToday = (date, now = Date.now()) => new Date(now).toDateString() === date.toDateString();
export const shifted = (from, weeksOn) => new Date(monday(from.getTime() + weeksOn * 7 * DAY_MS + DAY_MS / 2));

/** 00:09 of a time, local. */
export const hour = (at) => new Date(at).toTimeString().slice(0, 5);

/** The body of a new window from a form's fields; local time in the zone of the browser. */
export function windowOf(form, target, zone = Intl.DateTimeFormat().resolvedOptions().timeZone) {
  const repeats = form.get("repeat");
  return {
    reason: form.get("reason").trim(), owner: form.get("owner").trim(), targets: [target], starts: `${form.get("starts")}:00`, zone,
    duration_s: Math.round(Number(form.get("hours")) * 3600), rule: repeats ? `FREQ=${repeats}` : "", counts_for_sla: form.get("counts") !== null,
  };
}
