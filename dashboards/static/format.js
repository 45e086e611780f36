// Numbers, times and money as people read them. Pure.

const STEPS = ["", "k", "M", "G", "T", "P"];

/** 9123456 -> "9.12 M"; three significant digits, base 1000. */
export function si(value, unit = "") {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  let step = 0;
  let size = Math.abs(value);
  while (size >= 999.5 && step < STEPS.length - 1) {
    size /= 1000;
    step += 1;
  }
  const digits = step === 0 && Number.isInteger(value) ? 0 : size >= 100 ? 0 : size >= 10 ? 1 : 2;
  const text = `${value < 0 ? "-" : ""}${size.toFixed(digits)}`;
  return `${text}${STEPS[step] || unit ? " " : ""}${STEPS[step]}${unit}`;
}

export const bits = (perSecond) => si(perSecond, "b/s");
export const count = (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString("en"));

const two = (n) => String(n).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "14:13:20" today, "Nov 22 14:13" before. */
export function clock(iso, now = Date.now()) {
  if (!iso) return "–";
  const at = new Date(iso);
  const today = new Date(now).toDateString() === at.toDateString();
  if (today) return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${MONTHS[at.getMonth()]} ${at.getDate()} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** A span in its largest unit: "4 s", "12 min", "3 h", "2 d". */
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 100) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export const age = (iso, now = Date.now()) => (iso ? span(now - Date.parse(iso)) : "–");

/** An amount as the API gives it (text in major units, or minor units with digits) beside its currency; never through a float. */
export function money(amount, currency = "") {
  const text = String(amount ?? "–");
  const [, sign, whole, rest] = text.match(/^(-?)(\d+)(\.\d+)?$/) || [];
  if (whole === undefined) return `${text} ${currency}`.trim();
  return `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${rest || ""} ${currency}`.trim();
}

/** A billed quantity beside its unit, as exact as the money it makes. */
export const quantity = money;

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export const title = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");

/** "410 of 410 interfaces heard, half of them within 5.2 s." */
export const heardOf = (freshness) =>
  freshness ? `${count(freshness.heard)} of ${plural(freshness.interfaces, "interface")} heard${freshness.median_age_s === null ? "" : `, half of them within ${span(freshness.median_age_s * 1000)}`}.` : "";
