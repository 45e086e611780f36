// A webhook as the API takes it, and what the API says is wrong with it. Pure.

export const FORMATS = [
  ["trunkline", "Trunkline JSON"], ["cloudevents", "CloudEvents 1.0"], ["alertmanager", "Alertmanager v4"],
  ["pagerduty", "PagerDuty v2"], ["slack", "Slack"], ["template", "own template"],
];
const PLAIN = ["name", "url", "format", "about", "severity", "filter", "template", "content_type", "routing_key", "secret"];

/** `Name: value` lines as an object; a line without a colon is a header without a value, which the station refuses by name. */
export function headersOf(text) {
  const lines = String(text || "").split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.split(":")[0].trim(), line.slice(line.split(":")[0].length + 1).trim()]));
}

/** The body of a request from the form's fields; what the form does not show is left out. */
export function bodyOf(form) {
  const body = { enabled: form.get("enabled") !== null, headers: headersOf(form.get("headers")) };
  for (const name of PLAIN) {
    const value = form.get(name);
    if (value !== null) body[name] = name === "template" ? value : value.trim();
  }
  return body;
}

/** {field: what is wrong}; what belongs to no field is under `form`. */
export function faultsOf(error) {
  const problem = error.problem || {};
  if (problem.field) return { [problem.field]: problem.detail };
  const known = (problem.errors || []).map(({ at, says }) => [at.split(".")[1], says]).filter(([name]) => PLAIN.includes(name) || name === "headers");
  return known.length ? Object.fromEntries(known) : { form: error.message };
}
