// In and out of one interface, with the same span of last week behind it.
import { html, useMemo } from "../../view.js";
import { Chart } from "../../chart.js";
import { inBits, seriesPaths } from "../../traffic.js";
import { Problem, Skeleton, useAnswer } from "../../ui.js";

const WEEK_MS = 168 * 3_600_000;
const POINTS = 240;

/** Last week's values at this week's instants: the newest at or before each, within two steps. */
export function aligned(times, other) {
  const step = (other.step_s || 60) * 2000;
  let at = 0;
  return times.map((ms) => {
    while (at + 1 < other.time.length && other.time[at + 1] + WEEK_MS <= ms) at += 1;
    return other.time.length && Math.abs(other.time[at] + WEEK_MS - ms) <= step ? other.mean[at] : null;
  });
}

export function Compared({ entity, name, spanMs, compare, height }) {
  const paths = useMemo(() => [...seriesPaths(entity, spanMs, POINTS), seriesPaths(entity, spanMs, POINTS, Date.now() - WEEK_MS)[0]], [entity, spanMs]);
  const inward = useAnswer(paths[0]);
  const outward = useAnswer(paths[1]);
  const before = useAnswer(compare ? paths[2] : null);
  const lines = useMemo(() => {
    if (!inward.data || !outward.data) return null;
    const old = compare && before.data ? [{ name: "in, last week", color: "--last-week", values: inBits(aligned(inward.data.time, before.data)), width: 1, fill: true }] : [];
    return [...old, { name: "in", color: "--series-1", values: inBits(inward.data.mean), width: 2 }, { name: "out", color: "--series-2", values: inBits(outward.data.mean), width: 2, dash: [4, 2] }];
  }, [inward.data, outward.data, before.data, compare]);
  const error = inward.error || outward.error;
  if (error) return html`<${Problem} error=${error} />`;
  if (!lines) return html`<${Skeleton} />`;
  if (!inward.data.time.length) return html`<p class="hatch empty">no data in this span</p>`;
  return html`<${Chart} label=${`Traffic of ${name}`} times=${inward.data.time} lines=${lines} unit="b/s" height=${height} />`;
}
