// Performance: the busiest interfaces beside each other, one cursor, last week behind.
import { html, useMemo } from "../../view.js";
import { bits } from "../../format.js";
import { setQuery } from "../../router.js";
import { topPath } from "../../traffic.js";
import { Answer, Empty, useAnswer } from "../../ui.js";
import { Compared } from "./compared.js";

const HOUR_MS = 3_600_000;
const SPANS = { "4h": 4, "24h": 24, "7d": 168 };
const SHOWN = 12;

function Panel({ entity, name, p95, spanMs, compare }) {
  return html`<section class="card panel"><header><h2 class="grow clip">${name}</h2>${p95 !== undefined && html`<b>${bits(p95 * 8)} <span class="dim">p95</span></b>`}</header>
    <${Compared} entity=${entity} name=${name} spanMs=${spanMs} compare=${compare} height=${130} />
  </section>`;
}

function Top({ rows, chosen }) {
  return html`<section class="card"><h2>Busiest by 95th percentile</h2><table class="plain"><thead><tr><th>Interface</th><th class="num">p95 in</th></tr></thead><tbody>
    ${rows.map((row) => html`<tr key=${row.entity} aria-selected=${row.entity === chosen ? "true" : undefined}><td><button class="btn bare small" onClick=${() => setQuery({ entity: row.entity === chosen ? null : row.entity })}>${row.name}</button></td><td class="num">${bits(row.value * 8)}</td></tr>`)}
  </tbody></table></section>`;
}

export default function Performance({ url }) {
  const span = SPANS[url.searchParams.get("span")] ? url.searchParams.get("span") : "4h";
  const spanMs = SPANS[span] * HOUR_MS;
  const compare = url.searchParams.get("week") !== "0";
  const chosen = url.searchParams.get("entity");
  const path = useMemo(() => topPath(spanMs, SHOWN), [spanMs]);
  const top = useAnswer(path);
  return html`<div class="performance stack"><div class="row"><h1>Performance</h1><span class="grow" />
    ${Object.keys(SPANS).map((each) => html`<button class="btn small" aria-pressed=${each === span ? "true" : "false"} onClick=${() => setQuery({ span: each })}>${each}</button>`)}
    <button class="btn small" aria-pressed=${compare ? "true" : "false"} onClick=${() => setQuery({ week: compare ? "0" : null })}>Last week behind</button></div>
    <${Answer} of=${top} rows=${10}>${({ items }) => {
      const known = items.find((row) => row.entity === chosen);
      const shown = chosen ? [known || { entity: chosen, name: "Chosen interface" }] : items;
      if (!shown.length) return html`<${Empty} title="Nothing measured yet">The first rates need two polls of a device.<//>`;
      return html`<div class="multiples">${shown.map((row) => html`<${Panel} key=${row.entity} entity=${row.entity} name=${row.name} p95=${row.value} spanMs=${spanMs} compare=${compare} />`)}</div><${Top} rows=${items} chosen=${chosen} />`;
    }}<//></div>`;
}
