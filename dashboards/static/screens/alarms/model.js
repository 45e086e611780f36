// The alarms a page knows and the rows it shows of them. Pure: no page, no network.
import { RANK } from "../../severity.js";

export const PAGE_ROWS = 1000;
export const FIRST_ROWS = 200;
export const ROWS_MAX = 100_000;

const page = (q, state, rest) => `/api/v1/alarms?${new URLSearchParams({ q, state, sort: "severity", ...rest })}`;

/** What the station is asked: grouped, the children of roots and noise are left out until someone looks. */
export const asked = (q, grouped) => (grouped ? `${q} -suppressed`.trim() : q);

/** The first page; the server makes the same text to bring the answer along with the page. */
export const firstPage = (q, state) => page(q, state, { limit: FIRST_ROWS });
export const nextPage = (q, state, cursor) => page(q, state, { limit: PAGE_ROWS, cursor });
export const childrenPage = (id) => page(`root:${id}`, "active", { limit: PAGE_ROWS });
export const unseenPage = (q) => page(`${q} unacked`.trim(), "cleared", { limit: FIRST_ROWS });

export const acked = (alarm) => alarm.ack_state === "acknowledged";

/** Worst first, then what nobody has taken, then the newest; the id settles the rest. */
export function compare(a, b) {
  if (a.is_cleared !== b.is_cleared) return a.is_cleared ? 1 : -1;
  return RANK[b.perceived_severity] - RANK[a.perceived_severity] || acked(a) - acked(b) || order(b.raised_at, a.raised_at) || order(a.id, b.id);
}

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Cleared and acknowledged is done; cleared and unacknowledged stays, greyed, until someone has seen it. */
export const stays = (alarm, state) => (state === "all" ? true : state === "cleared" ? alarm.is_cleared : !(alarm.is_cleared && acked(alarm)));

/** Every alarm by id, and their order kept as they change. */
export class AlarmBook {
  constructor() {
    this.byId = new Map();
    this.sorted = [];
  }

  /** Add what a page brought; what is known already is newer. */
  load(alarms) {
    for (const alarm of alarms) if (!this.byId.has(alarm.id)) this.byId.set(alarm.id, alarm);
    this.sorted = [...this.byId.values()].sort(compare);
  }

  /** Put newer versions in and take out what no longer belongs; returns how many were new. */
  apply(alarms, belongs) {
    let fresh = 0;
    for (const alarm of alarms) {
      const old = this.byId.get(alarm.id);
      if (old) this.sorted.splice(this.#at(old), 1);
      this.byId.delete(alarm.id);
      if (!belongs(alarm)) continue;
      this.byId.set(alarm.id, alarm);
      this.sorted.splice(this.#at(alarm), 0, alarm);
      fresh += old ? 0 : 1;
    }
    return fresh;
  }

  #at(alarm) {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.sorted[middle], alarm) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The rows of a book: flat, or roots with their children under them when expanded. A child whose root is not in
 * sight stands for itself.
 * @returns {{alarm: any, depth: number, children: number}[]}
 */
export function rowsOf(book, { grouped, expanded, shelved }) {
  const known = book.sorted.filter((alarm) => Boolean(alarm.shelved) === shelved);
  if (!grouped) return known.map((alarm) => ({ alarm, depth: 0, children: 0 }));
  const shown = new Set(known.map((alarm) => alarm.id));
  const childrenOf = new Map();
  const tops = [];
  for (const alarm of known) {
    const root = alarm.root_alarm_id;
    if (root && root !== alarm.id && shown.has(root)) push(childrenOf, root, alarm);
    else tops.push(alarm);
  }
  return tops.flatMap((alarm) => {
    const below = childrenOf.get(alarm.id) || [];
    const row = { alarm, depth: 0, children: Math.max(below.length, alarm.is_root ? alarm.children || 0 : 0) };
    return expanded.has(alarm.id) ? [row, ...below.map((child) => ({ alarm: child, depth: 1, children: 0 }))] : [row];
  });
}

function push(map, key, value) {
  if (map.has(key)) map.get(key).push(value);
  else map.set(key, [value]);
}

export const shelvedIn = (book) => book.sorted.filter((alarm) => alarm.shelved).length;

/** The alarms per ten minutes of the newest full span, and whether that is a flood (EEMUA 191: from 10, until below 5). */
export function rateOf(summary) {
  const spans = summary?.rate_10min || [];
  const rate = spans.at(-1)?.n ?? 0;
  return { rate, flood: rate >= 10, values: spans.map((each) => each.n) };
}
