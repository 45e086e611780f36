// Performance: the busiest interfaces beside each other, one cursor, last week behind, alarms below.
import { html, useMemo } from "../../view.js";
import { target } from "../../api.js";
import { bits } from "../../format.js";
import { region, span, spanMs } from "../../place.js";
import { setQuery } from "../../router.js";
import { InterfaceTraffic, endOf, seriesPath, topPath } from "../../traffic.js";
import { Answer, Empty, lazy, useAnswer } from "../../ui.js";
import { Metrics } from "./metrics.js";

const HeatMap = lazy(() => import("./heat.js").then((found) => found.HeatMap));
const SHOWN = 12;
const ALARMS_MAX = 500;

/** Alarms of the interfaces that are shown, by interface: one request for all of them. */
function useAlarms(entities) {
  const path = entities.length ? target("/api/v1/alarms", { q: `resource:${entities.join(",")}`, state: "all", sort: "raised_at", limit: ALARMS_MAX }) : null;
  const answer = useAnswer(path, ["alarm"], 0, { keep: true });
  return useMemo(() => {
    const found = new Map(entities.map((entity) => [entity, []]));
    for (const alarm of answer.data?.items || []) found.get(alarm.resource_id)?.push(alarm);
    return found;
  }, [answer.data, path]);
}

function Panel({ entity, name: known, p95, compare, alarms, alone }) {
  const asked = useAnswer(known ? null : seriesPath(entity, "interface.in_octets", endOf(spanMs.value), spanMs.value));
  const name = known || asked.data?.name || "…";
  return html`<section class="card panel"><header><h2 class="grow clip"><button class="btn bare small" title="Only this one" onClick=${() => setQuery({ entity: alone ? null : entity }, { replace: false })}>${name}</button></h2>${p95 !== undefined && html`<b>${bits(p95 * 8)} <span class="dim">p95 in</span></b>`}</header>
    <${InterfaceTraffic} entity=${entity} name=${name} spanMs=${spanMs.value} compare=${compare} height=${alone ? 300 : 130} alarms=${alarms || []} limit=${p95 === undefined ? undefined : p95 * 8} />
    ${alone && html`<${Metrics} entity=${entity} />`}
  </section>`;
}

function Top({ rows, chosen }) {
  return html`<section class="card scroll" tabindex="0" aria-label="Busiest by 95th percentile"><h2>Busiest by 95th percentile</h2><table class="plain"><thead><tr><th>Interface</th><th class="num">p95 in</th><th>Share of the busiest</th></tr></thead><tbody>
    ${rows.map((row) => html`<tr key=${row.entity} aria-selected=${row.entity === chosen ? "true" : undefined}><td><button class="btn bare small" onClick=${() => setQuery({ entity: row.entity === chosen ? null : row.entity }, { replace: false })}>${row.name}</button></td><td class="num">${bits(row.value * 8)}</td><td><svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${(100 * row.value) / (rows[0].value || 1)} height="6" /></svg></td></tr>`)}
  </tbody></table></section>`;
}

function Shown({ items, chosen, compare }) {
  const known = items.find((row) => row.entity === chosen);
  const shown = chosen ? [known || { entity: chosen }] : items.slice(0, SHOWN);
  const alarms = useAlarms(shown.map((row) => row.entity));
  if (!shown.length) return html`<${Empty} title="Nothing measured yet">The first rates need two polls of a device.<//>`;
  return html`<div class="multiples" data-alone=${chosen ? "" : undefined}>${shown.map((row) => html`<${Panel} key=${row.entity} entity=${row.entity} name=${row.name} p95=${row.value} compare=${compare} alarms=${alarms.get(row.entity)} alone=${Boolean(chosen)} />`)}</div><${Top} rows=${items} chosen=${chosen} />`;
}

export default function Performance({ url }) {
  return url.searchParams.get("view") === "heat" ? html`<${HeatMap} url=${url} />` : html`<${Busiest} url=${url} />`;
}

function Busiest({ url }) {
  const compare = url.searchParams.get("week") !== "0";
  const chosen = url.searchParams.get("entity");
  const path = `${topPath(endOf(spanMs.value), spanMs.value, SHOWN)}${region.value ? `&region=${encodeURIComponent(region.value)}` : ""}`;
  const top = useAnswer(path, [], 0, { keep: true });
  return html`<div class="performance stack"><div class="row"><h1>Performance</h1><span class="dim">${region.value || "all regions"}, ${span.value}</span><span class="grow" />
    ${chosen && html`<button class="btn small" onClick=${() => setQuery({ entity: null }, { replace: false })}>All of the busiest</button>`}
    <button class="btn small" onClick=${() => setQuery({ view: "heat" }, { replace: false })}>Heat map</button>
    <button class="btn small" aria-pressed=${compare ? "true" : "false"} onClick=${() => setQuery({ week: compare ? "0" : null })}>Last week behind</button></div>
    <${Answer} of=${top} rows=${10}>${({ items }) => html`<${Shown} items=${items} chosen=${chosen} compare=${compare} />`}<//></div>`;
}
