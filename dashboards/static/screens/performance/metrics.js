// The other curves of one interface: how full, how many errors and discards, packets.
import { html, useMemo } from "../../view.js";
import { Chart } from "../../chart.js";
import { spanMs } from "../../place.js";
import { aligned, endOf, seriesPath } from "../../traffic.js";
import { Problem, Skeleton, useAnswer } from "../../ui.js";

const PAIRS = [
  ["Utilisation", "%", 100, "interface.in_utilisation", "interface.out_utilisation"],
  ["Errors", "/s", 1, "interface.in_errors", "interface.out_errors"],
  ["Discards", "/s", 1, "interface.in_discards", "interface.out_discards"],
  ["Packets", "/s", 1, "interface.in_packets", "interface.out_packets"],
];
const scaled = (values, by) => values.map((value) => (value === null || value === undefined ? null : value * by));

function Pair({ entity, title, unit, by, inName, outName }) {
  const end = endOf(spanMs.value);
  const inward = useAnswer(seriesPath(entity, inName, end, spanMs.value));
  const outward = useAnswer(seriesPath(entity, outName, end, spanMs.value));
  const lines = useMemo(() => inward.data && outward.data && [
    { name: "in", color: "--series-1", width: 2, values: scaled(inward.data.mean, by) },
    { name: "out", color: "--series-2", width: 2, dash: [4, 2], values: scaled(aligned(inward.data.time, outward.data), by) },
  ], [inward.data, outward.data]);
  const error = inward.error || outward.error;
  return html`<section><h3>${title}</h3>${error ? html`<${Problem} error=${error} />` : lines ? html`<${Chart} label=${title} times=${inward.data.time} lines=${lines} unit=${unit} height=${110} range=${[end - spanMs.value, end]} />` : html`<${Skeleton} />`}</section>`;
}

export const Metrics = ({ entity }) => html`<div class="multiples">${PAIRS.map(([title, unit, by, inName, outName]) => html`<${Pair} key=${title} entity=${entity} title=${title} unit=${unit} by=${by} inName=${inName} outName=${outName} />`)}</div>`;
