// In and out of one interface over time, from two series of the API, in bits per second.
import { html } from "./view.js";
import { target } from "./api.js";
import { Chart } from "./chart.js";
import { Empty, Problem, Skeleton, useAnswer } from "./ui.js";

const BITS = 8;

/** The paths of an interface's two series over the last `spanMs`; ends on a whole minute so that equal asks are equal. */
export function seriesPaths(entity, spanMs, points, now = Date.now()) {
  const to = Math.floor(now / 60_000) * 60_000;
  const path = (metric) => target("/api/v1/series", { entity, metric, from: new Date(to - spanMs).toISOString(), to: new Date(to).toISOString(), points });
  return [path("interface.in_octets"), path("interface.out_octets")];
}

/** The path of the interfaces that were busiest by the 95th percentile of what came in over the last `spanMs`. */
export function topPath(spanMs, limit, now = Date.now()) {
  const to = Math.floor(now / 60_000) * 60_000;
  return target("/api/v1/top", { metric: "interface.in_octets", stat: "p95", from: new Date(to - spanMs).toISOString(), to: new Date(to).toISOString(), limit });
}

export const inBits = (values) => values.map((value) => (value === null || value === undefined ? null : value * BITS));

export function Traffic({ paths, label, height }) {
  const [inward, outward] = paths.map((path) => useAnswer(path));
  const error = inward.error || outward.error;
  if (error) return html`<${Problem} error=${error} />`;
  if (!inward.data || !outward.data) return html`<${Skeleton} />`;
  if (!inward.data.time.length) return html`<${Empty} title="No samples">Nothing was measured in this span.<//>`;
  const lines = [
    { name: "in", color: "--series-1", values: inBits(inward.data.mean), fill: true },
    { name: "out", color: "--series-2", values: inBits(outward.data.mean) },
  ];
  return html`<${Chart} label=${label} times=${inward.data.time} lines=${lines} unit="b/s" height=${height} />`;
}
