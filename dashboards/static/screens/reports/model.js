// Figures of reports as people read them. Pure.

/** 12 d 3 h; 3 h 05 min; 12 min; 45 s. */
export function lasted(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.round(seconds);
  if (s >= 86_400) return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min` : `${s} s`;
}

/** `2026-11` of a time, and of the month `back` before. */
export function monthOf(at, back = 0) {
  const date = new Date(at);
  const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - back, 1));
  return first.toISOString().slice(0, 7);
}

/** The bounds of a month as the API wants them; the running month ends now. */
export function boundsOf(month, now = Date.now()) {
  const [year, number] = month.split("-").map(Number);
  const end = Math.min(Date.UTC(year, number, 1), now);
  return { from: new Date(Date.UTC(year, number - 1, 1)).toISOString(), to: new Date(end).toISOString() };
}

const AWAY = ["on the same device", "one link away", "two links away"];

/** `60 on the same device, 20 one link away` of what an edge explains by distance. */
export const reachSays = (explained) => explained.map((n, hop) => `${Math.round(n)} ${AWAY[hop] || `${hop} links away`}`).join(", ");

/** The loop a refusal names, as one line. */
export const loopSays = (loop) => (loop || []).join(" → ");
