// Which part of the network and which span of time a person looks at: in the address, kept from screen to screen.
import { html, computed, useRef } from "./view.js";
import { useKeys } from "./keys.js";
import { query, setQuery } from "./router.js";
import { useAnswer } from "./ui.js";

const HOUR_MS = 3_600_000;
export const SPANS = { "1h": 1, "4h": 4, "24h": 24, "7d": 168 };
const SAYS = { "1h": "Last hour", "4h": "Last 4 h", "24h": "Last 24 h", "7d": "Last 7 days" };

export const region = computed(() => query.value.get("region") || "");
export const span = computed(() => (SPANS[query.value.get("span")] ? query.value.get("span") : "24h"));
export const spanHours = computed(() => SPANS[span.value]);
export const spanMs = computed(() => spanHours.value * HOUR_MS);

/** `region:"Somewhere far"` as a filter line has it, empty when all are meant. */
export const regionFilter = () => (region.value ? `region:"${region.value.replaceAll('"', "")}"` : "");

function Pill({ label, name, value, options, keyName, says }) {
  const select = useRef(null);
  useKeys({ [keyName]: [says, () => { select.current.focus(); select.current.showPicker?.(); }] });
  return html`<span class="pill pick only-wide"><select ref=${select} aria-label=${label} value=${value} onChange=${(e) => setQuery({ [name]: e.target.value || null }, { replace: false })}>
    ${options.map(([id, text]) => html`<option value=${id} selected=${id === value}>${text}</option>`)}</select><kbd>${keyName}</kbd></span>`;
}

export function RegionPill() {
  const regions = useAnswer("/api/v1/regions", ["topology"]);
  const known = (regions.data?.items || []).filter((each) => each.name).map((each) => [each.name, each.name]);
  if (region.value && !known.some(([id]) => id === region.value)) known.push([region.value, region.value]);
  return html`<${Pill} label="Region" name="region" value=${region.value} keyName="r" says="Choose the region" options=${[["", "Region: all"], ...known]} />`;
}

export const SpanPill = () => html`<${Pill} label="Span of time" name="span" value=${span.value} keyName="t" says="Choose the span of time" options=${Object.entries(SAYS)} />`;
