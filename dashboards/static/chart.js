// uPlot with our habits: gaps as gaps, last week behind today, one cursor over all charts of a screen, colours from the tokens.
import uPlot from "./vendor/uplot.js";
import { html, useEffect, useRef } from "./view.js";
import { theme } from "./prefs.js";
import { clock, si } from "./format.js";

const TABLE_ROWS = 12;
const cursors = uPlot.sync("trunkline");
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @typedef {{name: string, color: string, values: (number|null)[], fill?: boolean, dash?: number[], width?: number}} Line */

const shape = (lines) => lines.map((line) => `${line.name}${line.color}`).join();

function seriesOf(line) {
  const color = token(line.color);
  return { label: line.name, stroke: color, width: line.width || 1.5, dash: line.dash, fill: line.fill ? `${color}40` : undefined, spanGaps: false, points: { show: false } };
}

function axis(rest) {
  return { stroke: token("--dim"), font: "11px system-ui, sans-serif", grid: { stroke: token("--line"), width: 1 }, ticks: { show: false }, ...rest };
}

function optionsOf({ lines, unit, width, height, onCursor, range }) {
  return {
    width, height, padding: [8, 8, 0, 0], legend: { show: false }, cursor: { sync: { key: cursors.key }, points: { size: 6 }, y: false, drag: { x: true, y: false } },
    scales: { x: { time: true, range: range ? () => range : undefined }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
    axes: [axis({ size: 26, space: 60, values: (_, splits) => splits.map((s) => hourOf(s, splits.at(-1) - splits[0])) }), axis({ size: 58, space: 26, values: (_, splits) => splits.map((value) => si(value, unit)) })],
    series: [{}, ...lines.map(seriesOf)],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx)] },
  };
}

const hourOf = (s, span) => {
  const at = new Date(s * 1000);
  return span > 2 * 86_400 ? `${at.getMonth() + 1}/${at.getDate()}` : `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
};

const dataOf = (times, lines) => [times.map((ms) => ms / 1000), ...lines.map((line) => line.values)];

/** What a screen reader gets instead of the picture: at most a dozen instants. */
function Twin({ label, times, lines, unit }) {
  const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS));
  const at = times.map((_, i) => i).filter((i) => i % step === 0);
  return html`<table class="hidden-text"><caption>${label}</caption><thead><tr><th scope="col">Time</th>${lines.map((line) => html`<th scope="col">${line.name}</th>`)}</tr></thead>
    <tbody>${at.map((i) => html`<tr><th scope="row">${clock(new Date(times[i]).toISOString())}</th>${lines.map((line) => html`<td>${line.values[i] === null || line.values[i] === undefined ? "no data" : si(line.values[i], unit)}</td>`)}</tr>`)}</tbody></table>`;
}

function useResize(box, plot, height) {
  useEffect(() => {
    const watcher = new ResizeObserver(() => plot.current?.setSize({ width: box.current.clientWidth, height }));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, [height]);
}

/** @param {{label: string, times: number[], lines: Line[], unit: string, height?: number, onCursor?: (index: number|null) => void, range?: [number, number]}} props times in ms */
export function Chart({ label, times, lines, unit, height = 130, onCursor = () => {}, range }) {
  const box = useRef(null);
  const plot = useRef(null);
  const moved = useRef(onCursor);
  moved.current = onCursor;
  useEffect(() => {
    const options = optionsOf({ lines, unit, height, range, width: box.current.clientWidth, onCursor: (index) => moved.current(index) });
    plot.current = new uPlot(options, dataOf(times, lines), box.current);
    cursors.sub(plot.current);
    return () => {
      cursors.unsub(plot.current);
      plot.current.destroy();
    };
  }, [shape(lines), unit, height, theme.value, range?.[0], range?.[1]]);
  useEffect(() => {
    plot.current.setData(dataOf(times, lines));
    box.current.dataset.ready = "true";
  }, [times, lines]);
  useResize(box, plot, height);
  return html`<div class="chart"><div ref=${box} class="chart-box" data-testid="chart" data-points=${times.length} role="img" aria-label=${label} style=${{ height: `${height}px` }} /><${Twin} label=${label} times=${times} lines=${lines} unit=${unit} /></div>`;
}
