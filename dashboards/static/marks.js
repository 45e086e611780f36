// Severity as shape, lightness and colour together: an octagon, a triangle, a diamond, a ring, a square, a tick, a dot.
import { html } from "./view.js";
import { title } from "./format.js";

const OCTAGON = "M5 1h6l4 4v6l-4 4H5l-4-4V5z";
const SHAPES = {
  critical: html`<path d=${OCTAGON} fill="var(--critical)" /><path d="M8 4.2v4.6M8 11.2v.6" stroke="#fff" stroke-width="2" stroke-linecap="round" />`,
  major: html`<path d="M8 1.5 15 14.5H1z" fill="var(--major)" />`,
  minor: html`<path d="M8 1l7 7-7 7-7-7z" fill="var(--minor)" stroke="var(--minor-edge)" />`,
  warning: html`<circle cx="8" cy="8" r="6" fill="none" stroke="var(--warning)" stroke-width="2.2" />`,
  indeterminate: html`<rect x="2.1" y="2.1" width="11.8" height="11.8" fill="none" stroke="var(--indeterminate)" stroke-width="2.2" />`,
  cleared: html`<path d="M2 8.5l4 4 8-9" fill="none" stroke="var(--cleared)" stroke-width="2.4" />`,
  normal: html`<circle cx="8" cy="8" r="4" fill="var(--normal)" />`,
};

export function Mark({ tone, label }) {
  const name = label === undefined ? "" : label || title(tone);
  return html`<svg class="mark" viewBox="0 0 16 16" role=${name ? "img" : undefined} aria-label=${name || undefined} aria-hidden=${name ? undefined : "true"}>${SHAPES[tone] || SHAPES.normal}</svg>`;
}

const ICONS = {
  now: "M2 9h4l2-6 4 13 2.5-7H18",
  alarms: "M4 14h12l-1.6-2.4V8.5a4.4 4.4 0 0 0-8.8 0v3.1zM8.3 16.6h3.4",
  topology: "M10 5.5 5 13.5m5-8 5 8m-9 1h8M10 5.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4M4 16.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4m12 0a2 2 0 1 0 0-4 2 2 0 0 0 0 4",
  performance: "M2.5 2.5v15h15M5.5 13l3.5-4 3 2 4.5-6",
  device: "M2.5 4h15v5h-15zM2.5 11h15v5h-15zM5.5 6.5h1M5.5 13.5h1",
  flow: "M2.5 5h4c4 0 3 10 7 10h4M2.5 10h15M2.5 15h4c4 0 3-10 7-10h4",
  services: "M10 2.5l6.5 2.5v5c0 4-3 6.5-6.5 7.5C6.5 16.5 3.5 14 3.5 10V5zM7 10l2.2 2.2L13 8",
  usage: "M5 2.5h10v15l-2.5-1.8L10 17.5l-2.5-1.8L5 17.5zM7.8 6.5h4.4M7.8 9.5h4.4",
  notify: "M17 3 9 11M17 3l-5 14-3-6-6-3z",
  customers: "M7 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 16.5c.4-3.4 2.4-5 5-5s4.6 1.6 5 5M13 9.5a2.5 2.5 0 1 0 0-5M14 12c2.2.3 3.6 1.8 4 4.5",
  reports: "M5 2.5h7l4 4v11H5zM12 2.5v4h4M7.5 14.5v-3M10.2 14.5V9M13 14.5v-4",
  api: "M7 5 2.5 10 7 15M13 5l4.5 5-4.5 5",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;
