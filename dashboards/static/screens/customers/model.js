// What a customer's view says in words; pure.

/** Minor units as an amount: 1190 EUR is 11.90, of a currency without decimals they are whole. */
export function major(minor, currency) {
  const digits = new Intl.NumberFormat("en", { style: "currency", currency: currency || "EUR" }).resolvedOptions().maximumFractionDigits;
  return (minor / 10 ** digits).toFixed(digits);
}

/** Where dunning stands: [tone, words]. */
export function standing({ stage, standing: act, paused }) {
  if (!stage && !act) return ["cleared", "nothing is dunned"];
  const said = [act ? act.replaceAll("_", " ") : `stage ${stage}`, paused && `paused by ${paused}`].filter(Boolean).join(", ");
  return [act === "suspend" ? "major" : "warning", said];
}

/** Days past due that an open document is, 0 while it is not due. */
export const late = (due, now) => Math.max(0, Math.floor((now - Date.parse(`${due}T00:00:00Z`)) / 86_400_000));
