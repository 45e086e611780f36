// The plan of who is told, as lines a person reads. Pure.

const WAITS = [["group_wait_s", "waits"], ["group_interval_s", "groups every"], ["repeat_interval_s", "again every"]];

const seconds = (s) => (s >= 3600 ? `${+(s / 3600).toFixed(1)} h` : s >= 60 ? `${+(s / 60).toFixed(1)} min` : `${s} s`);

/** What one route takes: `severity >= major, site:Berlin*`. */
export function takes(route) {
  const said = [route.severity && route.severity !== "indeterminate" && `${route.severity} and worse`, route.match].filter(Boolean);
  return said.join(", ") || "everything";
}

/** Whom a route tells and how, in short phrases. */
export function says(route) {
  const found = [];
  if (route.receivers?.length) found.push(`tells ${route.receivers.join(", ")}`);
  if (route.on_call?.length) found.push(`whoever is on call by ${route.on_call.join(", ")}`);
  if (route.escalate) found.push(`climbs ${route.escalate}`);
  if (route.group_by) found.push(route.group_by.length ? `one message a ${route.group_by.join(", ")}` : "one message for all");
  for (const [name, word] of WAITS) if (route[name]) found.push(`${word} ${seconds(route[name])}`);
  if (route.mute?.length) found.push(`silent in ${route.mute.join(", ")}`);
  if (route.active?.length) found.push(`only in ${route.active.join(", ")}`);
  if (route.continue) found.push("then goes on");
  return found;
}

/** One step of a chain: `after 15 min: boss, on call by second line`. */
export function stepSays(step) {
  const whom = [...(step.receivers || []), ...(step.on_call || []).map((name) => `on call by ${name}`)];
  return `after ${seconds(step.after_s)}: ${whom.join(", ")}`;
}

/** Hours of a week: `mon, tue 08:00–18:00 Europe/Berlin`. */
export function timesSay(it) {
  const days = !it.days || it.days.length === 7 ? "every day" : it.days.join(", ");
  const [since, until] = [it.since || "00:00", it.until || "00:00"].map((t) => t.slice(0, 5));
  return `${days} ${since === until ? "all day" : `${since}–${until}`} ${it.zone || "UTC"}`;
}

/** The text of a plan for editing, and back; an Error with a sentence for what is no JSON. */
export const written = (plan) => JSON.stringify(plan, null, 2);
export function read(text) {
  try {
    return JSON.parse(text || "{}");
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`);
  }
}
