// Where a chart has nothing to show, and when alarms stood: as parts of its width in per cent. Pure.

const LEAST_WIDTH = 0.6;
const known = (value) => value !== null && value !== undefined;

const place = (from, to, [first, last]) => {
  const left = (100 * (Math.max(from, first) - first)) / (last - first);
  return { left, width: Math.max(0, (100 * (Math.min(to, last) - first)) / (last - first) - left) };
};

/** Spans without any value: runs of null, and what lies before the first and after the last instant (twice the usual step away). */
export function gapsOf(times, columns, range) {
  const there = times.filter((_, i) => columns.some((values) => known(values[i])));
  const step = usualStep(times);
  const edges = [range[0], ...there, range[1]];
  const gaps = [];
  for (let i = 1; i < edges.length; i += 1) {
    const outside = i === 1 || i === edges.length - 1;
    if (edges[i] - edges[i - 1] > (outside ? 3 : 1.5) * step) gaps.push(place(edges[i - 1], edges[i], range));
  }
  return gaps.filter((gap) => gap.width > 0);
}

function usualStep(times) {
  const steps = times.slice(1).map((ms, i) => ms - times[i]).sort((a, b) => a - b);
  return steps.length ? steps[steps.length >> 1] : 0;
}

/** Alarms as spans within `range`, the worst last so that they lie on top: [{id, tone, text, from, left, width}]. */
export function ribbonOf(alarms, range) {
  const rank = { critical: 5, major: 4, minor: 3, warning: 2, indeterminate: 1 };
  return alarms
    .map((alarm) => ({ alarm, from: Date.parse(alarm.raised_at), to: alarm.is_cleared ? Date.parse(alarm.cleared_at) : range[1] }))
    .filter(({ from, to }) => to >= range[0] && from <= range[1])
    .sort((a, b) => (rank[a.alarm.perceived_severity] || 0) - (rank[b.alarm.perceived_severity] || 0))
    .map(({ alarm, from, to }) => {
      const at = place(from, to, range);
      return { id: alarm.id, tone: alarm.perceived_severity, text: [alarm.object, alarm.text].filter(Boolean).join(" "), from: Math.max(from, range[0]), ...at, width: Math.max(at.width, LEAST_WIDTH) };
    });
}
