// Severities (X.733) in their order; cleared is a state, not one of them. Pure.

export const SEVERITIES = ["critical", "major", "minor", "warning", "indeterminate"];
export const RANK = { critical: 5, major: 4, minor: 3, warning: 2, indeterminate: 1 };

/** What the mark of an alarm shows: its severity, or `cleared`. */
export const toneOf = (alarm) => (alarm.is_cleared ? "cleared" : alarm.perceived_severity);

/** The worst of some tones, `normal` when there is none. */
export function worst(tones) {
  let found = "normal";
  for (const tone of tones) if ((RANK[tone] || 0) > (RANK[found] || 0)) found = tone;
  return found;
}
