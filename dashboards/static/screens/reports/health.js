// Alarm health: what EEMUA 191 and ISA-18.2 ask of an alarm system, and whether it holds.
import { html } from "../../view.js";
import { target } from "../../api.js";
import { count, title } from "../../format.js";
import { Mark } from "../../marks.js";
import { query, setQuery } from "../../router.js";
import { Answer, Empty, Time, useAnswer } from "../../ui.js";
import { lasted } from "./model.js";

const SPANS = { 1: "last day", 7: "last week", 30: "last 30 days" };
const DAY_MS = 86_400_000;
const worded = (name) => title(name.replaceAll("_", " "));
const figure = (it) => (it.unit === "s" ? lasted(it.value) : `${+Number(it.value).toFixed(3)}${it.unit === "1" ? "" : ` ${it.unit}`}`);
const Holds = ({ holds }) => (holds === null ? html`<span class="dim">–</span>` : html`<${Mark} tone=${holds ? "cleared" : "major"} label=${holds ? "holds" : "does not hold"} /> ${holds ? "holds" : "does not hold"}`);

const Measures = ({ rows }) => html`<section class="card scroll" tabindex="0" aria-label="Measures"><header><h2>Measures</h2></header>
  <table class="plain" data-testid="measures"><thead><tr><th>Measure</th><th class="num">Value</th><th>Asked</th><th>Holds</th></tr></thead><tbody>${rows.map((it) => html`<tr key=${it.name}><td>${worded(it.name)}</td><td class="num">${figure(it)}</td><td>${it.target || "–"}</td><td><${Holds} holds=${it.holds} /></td></tr>`)}</tbody></table></section>`;

const Listed = ({ name, none, items }) => html`<section class="card stack"><h2>${name}</h2>${items.length ? html`<ul class="near">${items.slice(0, 20).map((each) => html`<li>${each}</li>`)}</ul>${items.length > 20 && html`<p class="dim">and ${count(items.length - 20)} more</p>`}` : html`<p class="dim">${none}</p>`}</section>`;

function Found({ it }) {
  if (!it.measures.length) return html`<${Empty} title="Nothing happened">No alarm was raised in this time.<//>`;
  return html`<${Measures} rows=${it.measures} /><div class="cards">
    <${Listed} name="Raised most" none="Nothing." items=${it.top.map((each) => `${each.name} · ${count(each.raised)}`)} />
    <${Listed} name="Chattering" none="Nothing chatters." items=${it.chattering} />
    <${Listed} name="Standing over a day" none="Nothing." items=${it.stale} /></div>`;
}

export function Health() {
  const days = query.value.get("days") || "1";
  const from = new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(days) * DAY_MS).toISOString();
  const path = target("/api/v1/alarm-health", { from, operators: query.value.get("operators") || 1 });
  const found = useAnswer(path, [], 0, { keep: true });
  return html`<div class="row">${Object.entries(SPANS).map(([n, says]) => html`<button class="btn small" aria-pressed=${n === days ? "true" : "false"} onClick=${() => setQuery({ days: n === "1" ? null : n })}>${says}</button>`)}
      <label class="row">Operators on shift <input class="field narrow" type="number" min="1" max="1000" value=${query.value.get("operators") || 1} onChange=${(e) => setQuery({ operators: e.target.value })} /></label><span class="grow" />
      <a class="btn small" download href=${target("/api/v1/alarm-health.csv", { from, operators: query.value.get("operators") || 1 })}>CSV</a></div>
    <${Answer} of=${found} rows=${8}>${(it) => html`<p class="dim"><${Time} at=${it.from} /> to <${Time} at=${it.to} />${!it.whole && ", the first part of it: there was more than is looked at"}</p><${Found} it=${it} />`}<//>`;
}
