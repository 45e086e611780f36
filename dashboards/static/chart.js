// uPlot with our habits: gaps as hatched gaps, last week behind today, one cursor over all charts of a screen, a ribbon of alarms.
import uPlot from "./vendor/uplot.js";
import { effect, html, signal, useEffect, useRef, useSignal } from "./view.js";
import { gapsOf } from "./chart_model.js";
import { clock, si } from "./format.js";
import { theme } from "./prefs.js";
import { Ribbon } from "./ribbon.js";
import { url } from "./router.js";

const TABLE_ROWS = 12;
const DRAG_PX = 8;
const cursors = uPlot.sync("trunkline");
/** What was dragged over on any chart, [from, to] in ms: all charts of the screen show it. Another screen or span ends it. */
const zoom = signal(null);
let shownAt = "";
effect(() => {
  const at = `${url.value.pathname}${url.value.searchParams.get("span")}`;
  if (at !== shownAt) zoom.value = null;
  shownAt = at;
});

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @typedef {{name: string, color: string, values: (number|null)[], fill?: boolean, dash?: number[], width?: number, quiet?: boolean}} Line */

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
    width, height, padding: [8, 14, 0, 0], legend: { show: false }, cursor: { sync: { key: cursors.key }, points: { size: 6 }, y: false, drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: true, range: () => range.current }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
    axes: [axis({ size: 26, space: 60, values: (_, splits) => splits.map((s) => instant(s, splits.at(-1) - splits[0])) }), axis({ size: 58, space: 26, values: (_, splits) => splits.map((value) => si(value, unit)) })],
    series: [{}, ...lines.map(seriesOf)],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx)], setSelect: [dragged] },
  };
}

function dragged(plot) {
  const { left, width } = plot.select;
  if (width < DRAG_PX) return;
  zoom.value = [plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

const instant = (s, wide) => {
  const at = new Date(s * 1000);
  return wide > 2 * 86_400 ? `${at.getMonth() + 1}/${at.getDate()}` : `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
};

const dataOf = (times, lines) => [times.map((ms) => ms / 1000), ...lines.map((line) => line.values)];

/** What a screen reader gets instead of the picture: at most a dozen instants. */
function Twin({ label, times, lines, unit }) {
  const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS));
  const at = times.map((_, i) => i).filter((i) => i % step === 0);
  return html`<table class="hidden-text"><caption>${label}</caption><thead><tr><th scope="col">Time</th>${lines.map((line) => html`<th scope="col">${line.name}</th>`)}</tr></thead>
    <tbody>${at.map((i) => html`<tr><th scope="row">${clock(new Date(times[i]).toISOString())}</th>${lines.map((line) => html`<td>${line.values[i] === null || line.values[i] === undefined ? "no data" : si(line.values[i], unit)}</td>`)}</tr>`)}</tbody></table>`;
}

/** Names with their dashes and the values under the cursor, else the newest. */
function Legend({ times, lines, unit, at }) {
  const chosen = at ?? times.length - 1;
  const newest = (values) => values.findLast((value) => value !== null && value !== undefined);
  return html`<p class="chart-legend dim">${lines.filter((line) => !line.quiet).map((line) => html`<span><svg viewBox="0 0 16 4" aria-hidden="true"><path d="M0 2H16" stroke=${`var(${line.color})`} stroke-width="3" stroke-dasharray=${line.dash?.join(" ")} /></svg> ${line.name} <b>${si(at === null ? newest(line.values) : line.values[chosen], unit)}</b></span>`)}
    ${at !== null && times[chosen] !== undefined && html`<span class="mono">${clock(new Date(times[chosen]).toISOString())}</span>`}
    ${zoom.value && html`<button class="btn small" onClick=${() => { zoom.value = null; }}>Whole span</button>`}</p>`;
}

function useResize(box, plot, height) {
  useEffect(() => {
    const watcher = new ResizeObserver(() => box.current && plot.current?.setSize({ width: box.current.clientWidth, height }));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, [height]);
}

/**
 * @param {{label: string, times: number[], lines: Line[], unit: string, height?: number, range?: [number, number], alarms?: any[], legend?: boolean}} props
 * times and range in ms; without a range the data's own. `alarms` (any array) puts the ribbon under the curve.
 */
export function Chart({ label, times, lines, unit, height = 130, range, alarms, legend = true }) {
  const box = useRef(null);
  const plot = useRef(null);
  const cursor = useSignal(null);
  const whole = range || [times[0] ?? 0, times.at(-1) ?? 1];
  const span = zoom.value && zoom.value[1] > whole[0] && zoom.value[0] < whole[1] ? zoom.value : whole;
  const seconds = useRef(null);
  seconds.current = span.map((ms) => ms / 1000);
  useEffect(() => {
    const options = optionsOf({ lines, unit, height, range: seconds, width: box.current.clientWidth, onCursor: (index) => { cursor.value = index ?? null; } });
    plot.current = new uPlot(options, dataOf(times, lines), box.current);
    cursors.sub(plot.current);
    return () => {
      cursors.unsub(plot.current);
      plot.current.destroy();
    };
  }, [shape(lines), unit, height, theme.value]);
  useEffect(() => {
    plot.current.setData(dataOf(times, lines));
    box.current.dataset.ready = "true";
  }, [times, lines, span[0], span[1]]);
  useResize(box, plot, height);
  const gaps = gapsOf(times, lines.filter((line) => !line.quiet).map((line) => line.values), span);
  return html`<div class="chart">${legend && html`<${Legend} times=${times} lines=${lines} unit=${unit} at=${cursor.value} />`}
    <div class="chart-area" style=${{ height: `${height}px` }}><div class="chart-gaps" aria-hidden="true" data-gaps=${gaps.length}>${gaps.map((gap) => html`<i class="hatch" title="no data" style=${{ left: `${gap.left}%`, width: `${gap.width}%` }} />`)}</div>
      <div ref=${box} class="chart-box" data-testid="chart" onDblClick=${() => { zoom.value = null; }} data-points=${times.length} role="img" aria-label=${label} /></div>
    ${alarms && html`<${Ribbon} alarms=${alarms} range=${span} />`}
    <${Twin} label=${label} times=${times} lines=${lines} unit=${unit} /></div>`;
}
