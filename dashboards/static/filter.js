// The filter line, read the way the station reads it (fault/filters.py): `severity>=major site:Berlin*,Hamburg -shelved`. Pure.
import { RANK } from "./severity.js";

const HEAD = /([a-z_]+)(:|>=|<=|>|<|=)/iy;
const WORD = /"((?:[^"\\]|\\.)*)"|([^\s",]+)/y;

const TEXT = {
  site: (a) => a.site, region: (a) => a.region, device: (a) => a.device, object: (a) => a.object, kind: (a) => a.resource_kind, type: (a) => a.alarm_type,
  cause: (a) => a.probable_cause, event: (a) => a.event_type, text: (a) => a.text, qualifier: (a) => a.qualifier, resource: (a) => a.resource_id,
  source: (a) => a.source, ack: (a) => a.ack_user, owner: (a) => a.shelved?.owner, incident: (a) => a.incident_id, root: (a) => a.root_alarm_id, id: (a) => a.id,
};
const NUMBER = { severity: (a) => RANK[a.perceived_severity], count: (a) => a.count, occurrence: (a) => a.occurrence, services: (a) => a.impact?.services, customers: (a) => a.impact?.customers };
const FLAG = {
  acked: (a) => a.ack_state === "acknowledged", unacked: (a) => a.ack_state !== "acknowledged", shelved: (a) => Boolean(a.shelved), suppressed: (a) => a.suppressed,
  root: (a) => a.is_root, cleared: (a) => a.is_cleared, active: (a) => !a.is_cleared, chattering: (a) => a.chattering, unauthenticated: (a) => a.authenticated === false,
  maintenance: (a) => Boolean(a.maintenance),
};
const SEARCHED = [TEXT.device, TEXT.object, TEXT.text, TEXT.site, TEXT.type, TEXT.cause, TEXT.qualifier];
const COMPARE = { ">=": (a, b) => a >= b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, "<": (a, b) => a < b, ":": (a, b) => a === b, "=": (a, b) => a === b };

const lower = (value) => String(value ?? "").toLowerCase();

/** Whether `text` is `pattern` with `*` for any text; nothing is tried twice. */
export function fits(text, pattern) {
  const [first, ...rest] = pattern.split("*");
  if (!rest.length) return text === pattern;
  const last = rest.pop();
  if (!text.startsWith(first) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    at = text.indexOf(part, at);
    if (at < 0) return false;
    at += part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

class FilterError extends Error {}

/** Reads one value from `line` at `at`: [value, end, quoted]. */
function valueAt(line, at) {
  WORD.lastIndex = at;
  const found = WORD.exec(line);
  if (!found) throw new FilterError(line[at] === '"' ? "this quote has no end" : "a value is missing");
  return [found[1] === undefined ? found[2] : found[1].replace(/\\(.)/g, "$1"), WORD.lastIndex, found[1] !== undefined];
}

function valuesAt(line, from) {
  const values = [];
  let at = from;
  for (;;) {
    const [value, end] = valueAt(line, at);
    values.push(value);
    if (line[end] !== ",") return [values, end];
    at = end + 1;
  }
}

function numberOf(field, value) {
  const number = field === "severity" ? RANK[lower(value)] : /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  if (number === undefined) throw new FilterError(`“${value}” is no ${field === "severity" ? "severity" : "number"}`);
  return number;
}

/** Reads one term: [test, end]. */
function termAt(line, at) {
  HEAD.lastIndex = at;
  const head = HEAD.exec(line);
  if (!head) {
    const [value, end, quoted] = valueAt(line, at);
    const wanted = lower(value);
    if (!quoted && FLAG[wanted]) return [FLAG[wanted], end];
    return [(alarm) => SEARCHED.some((read) => lower(read(alarm)).includes(wanted)), end];
  }
  const field = lower(head[1]);
  const from = HEAD.lastIndex;
  const [values, end] = valuesAt(line, from);
  if (NUMBER[field]) {
    const wanted = values.map((value) => numberOf(field, value));
    return [(alarm) => wanted.some((value) => COMPARE[head[2]](NUMBER[field](alarm), value)), end];
  }
  if (!TEXT[field]) throw new FilterError(`there is no field “${field}”`);
  if (head[2] !== ":" && head[2] !== "=") throw new FilterError(`${field} is text: match it with “:”`);
  const patterns = values.map(lower);
  return [(alarm) => patterns.some((pattern) => fits(lower(TEXT[field](alarm)), pattern)), end];
}

const skip = (line, at) => {
  let next = at;
  while (next < line.length && /\s/.test(line[next])) next += 1;
  return next;
};

/** @returns {{matches: (alarm: any) => boolean, error: string|null}} with an error everything matches: the station has the last word */
export function parse(line) {
  const tests = [];
  try {
    let at = skip(line, 0);
    while (at < line.length) {
      const negated = line[at] === "-" && at + 1 < line.length && !/\s/.test(line[at + 1]);
      const [test, end] = termAt(line, negated ? at + 1 : at);
      tests.push(negated ? (alarm) => !test(alarm) : test);
      at = skip(line, end);
    }
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return { matches: () => true, error: error.message };
  }
  return { matches: (alarm) => tests.every((test) => test(alarm)), error: null };
}
