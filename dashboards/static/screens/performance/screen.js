// Performance: the busiest interfaces beside each other, one cursor, last week behind.
import { html, useMemo } from "../../view.js";
import { target } from "../../api.js";
import { Chart } from "../../chart.js";
import { bits } from "../../format.js";
import { setQuery } from "../../router.js";
import { inBits, seriesPaths } from "../../traffic.js";
import { Answer, Empty, Problem, Skeleton, useAnswer } from "../../ui.js";

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
const SPANS = { "4h": 4, "24h": 24, "7d": 168 };
const POINTS = 240;
const MINUTE_MS = 60_000;

/** Last week's values at this week's instants: the newest at or before each, within two steps. */
export function aligned(times, other) {
  const step = (other.step_s || 60) * 2000;
  let at = 0;
  return times.map((ms) => {
    while (at + 1 < other.time.length && other.time[at + 1] + WEEK_MS <= ms) at += 1;
    return other.time.length && Math.abs(other.time[at] + WEEK_MS - ms) <= step ? other.mean[at] : null;
  });
}

function Panel({ entity, name, p95, spanMs, compare }) {
  const paths = useMemo(() => [...seriesPaths(entity, spanMs, POINTS), seriesPaths(entity, spanMs, POINTS, Date.now() - WEEK_MS)[0]], [entity, spanMs]);
  const inward = useAnswer(paths[0]);
  const outward = useAnswer(paths[1]);
  const before = useAnswer(compare ? paths[2] : null);
  const lines = useMemo(() => {
    if (!inward.data || !outward.data) return null;
    const old = compare && before.data ? [{ name: "in, last week", color: "--last-week", values: inBits(aligned(inward.data.time, before.data)), width: 1, fill: true }] : [];
    return [...old, { name: "in", color: "--series-1", values: inBits(inward.data.mean), width: 2 }, { name: "out", color: "--series-2", values: inBits(outward.data.mean), width: 2, dash: [4, 2] }];
  }, [inward.data, outward.data, before.data, compare]);
  const error = inward.error || outward.error;
  return html`<section class="card panel"><header><h2 class="grow clip">${name}</h2>${p95 !== undefined && html`<b>${bits(p95 * 8)} <span class="dim">p95</span></b>`}</header>
    ${error ? html`<${Problem} error=${error} />` : !lines ? html`<${Skeleton} />` : !inward.data.time.length ? html`<p class="hatch empty">no data in this span</p>` : html`<${Chart} label=${`Traffic of ${name}`} times=${inward.data.time} lines=${lines} unit="b/s" height=${130} />`}
  </section>`;
}

export const rowName = (row) => [row.device, row.name || row.interface].filter(Boolean).join(" ") || row.entity;

function Top({ rows, chosen }) {
  return html`<section class="card"><h2>Busiest by 95th percentile</h2><table class="plain"><thead><tr><th>Interface</th><th class="num">p95 in</th><th class="num">of speed</th></tr></thead><tbody>
    ${rows.map((row) => html`<tr key=${row.entity} aria-selected=${row.entity === chosen ? "true" : undefined}><td><button class="btn bare small" onClick=${() => setQuery({ entity: row.entity === chosen ? null : row.entity })}>${rowName(row)}</button></td><td class="num">${bits(row.value * 8)}</td><td class="num">${row.speed_bps ? `${Math.round((row.value * 800) / row.speed_bps)} %` : "–"}</td></tr>`)}
  </tbody></table></section>`;
}

export default function Performance({ url }) {
  const span = SPANS[url.searchParams.get("span")] ? url.searchParams.get("span") : "4h";
  const spanMs = SPANS[span] * HOUR_MS;
  const compare = url.searchParams.get("week") !== "0";
  const chosen = url.searchParams.get("entity");
  const path = useMemo(() => {
    const to = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    return target("/api/v1/top", { metric: "interface.in_octets", stat: "p95", from: new Date(to - spanMs).toISOString(), to: new Date(to).toISOString(), limit: 12 });
  }, [spanMs]);
  const top = useAnswer(path);
  return html`<div class="performance stack"><div class="row"><h1>Performance</h1><span class="grow" />
    ${Object.keys(SPANS).map((each) => html`<button class="btn small" aria-pressed=${each === span ? "true" : "false"} onClick=${() => setQuery({ span: each })}>${each}</button>`)}
    <button class="btn small" aria-pressed=${compare ? "true" : "false"} onClick=${() => setQuery({ week: compare ? "0" : null })}>Last week behind</button></div>
    <${Answer} of=${top} rows=${10}>${({ items }) => {
      const known = items.find((row) => row.entity === chosen);
      const shown = chosen ? [known || { entity: chosen, name: "Chosen interface" }] : items;
      if (!shown.length) return html`<${Empty} title="Nothing measured yet">The first rates need two polls of a device.<//>`;
      return html`<div class="multiples">${shown.map((row) => html`<${Panel} key=${row.entity} entity=${row.entity} name=${rowName(row)} p95=${row.value} spanMs=${spanMs} compare=${compare} />`)}</div><${Top} rows=${items} chosen=${chosen} />`;
    }}<//></div>`;
}
