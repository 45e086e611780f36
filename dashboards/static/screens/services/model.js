// Months and words of service levels. Pure.

/** The month `by` months from "2026-03". */
export function shifted(month, by) {
  const [year, number] = month.split("-").map(Number);
  const at = new Date(Date.UTC(year, number - 1 + by, 1));
  return `${at.getUTCFullYear()}-${String(at.getUTCMonth() + 1).padStart(2, "0")}`;
}

export const thisMonth = (now = new Date()) => `${now.getUTCFullYear()}-${String(now.getUTCMonth() + 1).padStart(2, "0")}`;

export const OUTLOOK = { met: ["cleared", "holds"], at_risk: ["warning", "at risk"], breached: ["major", "broken"] };

/** Seconds as people say an outage: "45 s", "22 min", "3 h 20 min", "2 d 4 h". */
export function lasted(seconds) {
  const s = Math.abs(Math.round(seconds));
  if (s < 120) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
}

/** How much of the budget is used, 0..1; more than all is all. */
export const used = (row) => (row.budget_s > 0 ? Math.min(1, row.down_s / row.budget_s) : row.down_s > 0 ? 1 : 0);

/** Those that need somebody first: broken, at risk, then by what is left of their budget. */
export const ranked = (rows) => [...rows].sort((a, b) => ["breached", "at_risk", "met"].indexOf(a.outlook) - ["breached", "at_risk", "met"].indexOf(b.outlook) || used(b) - used(a) || (a.service.number < b.service.number ? -1 : 1));
