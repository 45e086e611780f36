// In and out over time in bits per second, with the same span a week before behind it: of one interface, or of the whole network.
import { html, useMemo, useRef } from "./view.js";
import { target } from "./api.js";
import { Chart } from "./chart.js";
import { Problem, Skeleton, now, useAnswer } from "./ui.js";

const BITS = 8;
const POINTS = 240;
const EVERY_MS = 60_000;
const WEEK_S = 168 * 3600;

/** The end of a span that ends now, in whole steps of a picture so that equal asks are equal, ms. It moves on while it is looked at. */
export const endOf = (spanMs, at = now.value) => {
  const step = Math.max(60_000, Math.floor(spanMs / POINTS / 60_000) * 60_000);
  return Math.floor(at / step) * step;
};

const iso = (ms) => new Date(ms).toISOString();

/** The path of one series of an interface over [end - span, end]; `shift` seconds earlier on the same axis. */
export const seriesPath = (entity, metric, end, spanMs, shift = 0) =>
  target("/api/v1/series", { entity, metric, from: iso(end - spanMs), to: iso(end), points: POINTS, shift_s: shift || undefined });

/** The path of the interfaces that were busiest by a statistic of what came in over the last span. */
export const topPath = (end, spanMs, limit) => target("/api/v1/top", { metric: "interface.in_octets", stat: "p95", from: iso(end - spanMs), to: iso(end), limit });

export const inBits = (values) => values.map((value) => (value === null || value === undefined ? null : value * BITS));

/** Values of other instants at these: the newest at or before each, within two steps. */
export function aligned(times, other) {
  const step = (other.step_s || 60) * 2000;
  let at = 0;
  return times.map((ms) => {
    while (at + 1 < other.time.length && other.time[at + 1] <= ms) at += 1;
    return other.time.length && Math.abs(other.time[at] - ms) <= step ? other.mean[at] : null;
  });
}

const IN = { name: "in", color: "--series-1", width: 2 };
const OUT = { name: "out", color: "--series-2", width: 2, dash: [4, 2] };
const BEFORE = { color: "--last-week", width: 1, fill: true };

/** The last picture stays until the next one is there. */
function useKept(made) {
  const kept = useRef(null);
  if (made) kept.current = made;
  return kept.current;
}

/** Alarms younger than the last whole slot stand at its end, or a chart would not show them until the next one. */
const upTo = (end, alarms) => alarms?.map((alarm) => (Date.parse(alarm.raised_at) > end ? { ...alarm, raised_at: iso(end) } : alarm));

export function InterfaceTraffic({ entity, name, spanMs, compare = true, height = 130, alarms, limit }) {
  const end = endOf(spanMs);
  const inward = useAnswer(seriesPath(entity, "interface.in_octets", end, spanMs));
  const outward = useAnswer(seriesPath(entity, "interface.out_octets", end, spanMs));
  const before = useAnswer(compare ? seriesPath(entity, "interface.in_octets", end, spanMs, WEEK_S) : null);
  const made = useMemo(() => {
    if (!inward.data || !outward.data) return null;
    const times = inward.data.time;
    const old = compare && before.data ? [{ ...BEFORE, name: "in, last week", values: inBits(aligned(times, before.data)), quiet: true }] : [];
    const out = outward.data.time.length === times.length ? outward.data.mean : aligned(times, outward.data);
    const line = limit ? [{ name: "p95", color: "--dim", width: 1, dash: [2, 4], values: times.map(() => limit), quiet: true }] : [];
    return { times, lines: [...old, { ...IN, values: inBits(inward.data.mean) }, { ...OUT, values: inBits(out) }, ...line], range: [end - spanMs, end] };
  }, [inward.data, outward.data, before.data, compare, limit]);
  const shown = useKept(made);
  const error = inward.error || outward.error;
  if (error && !shown) return html`<${Problem} error=${error} />`;
  if (!shown) return html`<div style=${{ minHeight: `${height + 20}px` }}><${Skeleton} /></div>`;
  return html`<${Chart} label=${`Traffic of ${name}`} ...${shown} unit="b/s" height=${height} alarms=${upTo(end, alarms)} />`;
}

/** All interfaces in sight together. */
export function NetworkTraffic({ hours, region, height }) {
  const answer = useAnswer(target("/api/v1/traffic", { hours, region }), [], EVERY_MS);
  const made = useMemo(() => {
    if (!answer.data) return null;
    const { time: times, in_bps: inward, out_bps: outward, week_ago_in_bps: before, step_s: step } = answer.data;
    const lines = [{ ...BEFORE, name: "in, last week", values: before }, { ...IN, values: inward }, { ...OUT, values: outward }];
    return { times, lines, range: [times[0], times.at(-1) + step * 1000] };
  }, [answer.data]);
  const shown = useKept(made);
  if (answer.error && !shown) return html`<${Problem} error=${answer.error} retry=${answer.again} />`;
  if (!shown) return html`<div style=${{ minHeight: `${height + 20}px` }}><${Skeleton} /></div>`;
  return html`<${Chart} label="Traffic of the whole network" ...${shown} unit="b/s" height=${height} />`;
}

