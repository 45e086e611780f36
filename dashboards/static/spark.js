// A small line without axes, for a card or a table cell: SVG, gaps stay gaps.
import { html } from "./view.js";

const WIDE = 100;
const HIGH = 28;

/** Path data of values over their index; null breaks the line, a value alone between nulls is a dot. */
export function linePath(values, top, wide = WIDE, high = HIGH) {
  const step = wide / Math.max(1, values.length - 1);
  let pen = "M";
  let path = "";
  values.forEach((value, i) => {
    if (value === null || value === undefined) {
      pen = "M";
      return;
    }
    path += `${pen}${(i * step).toFixed(1)} ${(high - (value / top) * (high - 2) - 1).toFixed(1)}`;
    if (pen === "M" && (values[i + 1] === null || values[i + 1] === undefined)) path += "h.01";
    pen = "L";
  });
  return path;
}

export function Spark({ values, limit, label }) {
  const top = Math.max(1e-9, limit || 0, ...values.map((value) => value ?? 0)) * (limit ? 1.1 : 1);
  const at = limit && HIGH - (limit / top) * (HIGH - 2) - 1;
  return html`<svg class="spark" viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${limit && html`<path d=${`M0 ${at}H${WIDE}`} stroke="var(--major)" stroke-dasharray="3 3" vector-effect="non-scaling-stroke" fill="none" />`}
    <path d=${linePath(values, top)} stroke="var(--accent)" stroke-width="1.5" fill="none" vector-effect="non-scaling-stroke" />
  </svg>`;
}

const present = (values) => values.filter((value) => value !== null && value !== undefined);

/** One or two lines to their own height; `floor` 0 shows how much, null shows how it moves. */
export function Spark2({ first, second, floor = 0, label }) {
  const all = [...present(first), ...present(second || [])];
  const low = floor ?? Math.min(...all);
  const top = Math.max(1e-9, Math.max(...all) - low);
  const path = (values) => linePath(values.map((value) => (value === null || value === undefined ? null : value - low)), top);
  return html`<svg class="spark" viewBox=${`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${all.length > 0 && html`<path d=${path(first)} stroke="var(--series-1)" stroke-width="1.5" stroke-linecap="round" fill="none" vector-effect="non-scaling-stroke" />`}
    ${all.length > 0 && second && html`<path d=${path(second)} stroke="var(--series-2)" stroke-width="1.2" stroke-dasharray="3 2" fill="none" vector-effect="non-scaling-stroke" />`}
  </svg>`;
}
