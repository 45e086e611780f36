// The maintenance calendar: four weeks of planned work, what it covers, and planning more of it.
import { html, useEffect, useRef, useSignal } from "../../view.js";
import { get, post, target } from "../../api.js";
import { boot, may } from "../../boot.js";
import { plural } from "../../format.js";
import { told } from "../../told.js";
import { Answer, Dialog, Empty, Time, useAnswer } from "../../ui.js";
import { hour, isToday, monday, shifted, weeks, windowOf } from "./calendar_model.js";

const WEEKS = 4;
const SEARCH_MS = 250;
const EVERY_MS = 60_000;
const KINDS = new Set(["device", "site", "link", "interface", "service", "customer"]);
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** Find what the work is on by typing: never a list of everything. */
function Find({ chosen, choose }) {
  const hits = useSignal([]);
  const text = useSignal("");
  useEffect(() => {
    if (text.value.trim().length < 2) { hits.value = []; return undefined; }
    const waiting = setTimeout(() => get(target("/api/v1/search", { q: text.value })).then(({ items }) => { hits.value = items.filter((it) => KINDS.has(it.kind)).slice(0, 8); }, () => { hits.value = []; }), SEARCH_MS);
    return () => clearTimeout(waiting);
  }, [text.value]);
  if (chosen) return html`<p class="row"><b>${chosen.name}</b> <span class="dim">${chosen.kind}</span><button type="button" class="btn small" onClick=${() => choose(null)}>Another</button></p>`;
  return html`<input id="work-on" class="field" type="search" autocomplete="off" placeholder="a device, site, link, service, customer" value=${text.value} onInput=${(e) => { text.value = e.target.value; }} />
    <ul class="near" aria-label="Found">${hits.value.map((it) => html`<li key=${it.id}><button type="button" class="btn bare small" onClick=${() => choose(it)}>${it.name} <span class="dim">${it.kind}</span></button></li>`)}</ul>`;
}

function New({ again, onClose }) {
  const form = useRef(null);
  const wrong = useSignal("");
  const on = useSignal(null);
  const submit = async (event) => {
    event.preventDefault();
    if (!on.value) { wrong.value = "Say what the work is on."; return; }
    try {
      const made = await post("/api/v1/maintenance", windowOf(new FormData(form.current), { kind: on.value.kind, id: on.value.id }));
      told(made, (it) => `Planned: ${it.reason}`);
      again();
      onClose();
    } catch (error) {
      wrong.value = error.problem?.field ? `${error.problem.field}: ${error.message}` : error.message;
    }
  };
  return html`<${Dialog} class="wide" label="Plan work" onClose=${onClose}><form ref=${form} onSubmit=${submit}><h2>Plan work</h2>
    ${wrong.value && html`<p class="fault" role="alert">${wrong.value}</p>`}
    <div class="entry"><label for="work-on">On what</label><${Find} chosen=${on.value} choose=${(it) => { on.value = it; }} /></div>
    <div class="entry"><label for="work-reason">What is done</label><input id="work-reason" class="field" name="reason" required maxlength="1024" /></div>
    <div class="cols"><div class="entry"><label for="work-owner">Who answers for it</label><input id="work-owner" class="field" name="owner" required maxlength="255" defaultValue=${boot.user} /></div>
      <div class="entry"><label for="work-starts">Begins (your time)</label><input id="work-starts" class="field" type="datetime-local" name="starts" required /></div>
      <div class="entry"><label for="work-hours">Hours</label><input id="work-hours" class="field" type="number" name="hours" min="0.25" max="744" step="0.25" defaultValue="2" required /></div>
      <div class="entry"><label for="work-repeat">Again</label><select id="work-repeat" class="field" name="repeat"><option value="">once</option><option value="DAILY">every day</option><option value="WEEKLY">every week</option><option value="MONTHLY">every month</option></select></div></div>
    <label class="check"><input type="checkbox" name="counts" /> Counts as downtime for service levels</label>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">Plan it</button></footer></form><//>`;
}

const Day = ({ date, items }) => html`<td data-today=${isToday(date) ? "" : undefined}><span class="dim">${date.getDate()}${date.getDate() === 1 ? `.${date.getMonth() + 1}.` : ""}</span>${items.map((it) => html`<div class="work" title=${`${it.reason} · ${it.targets.join(", ")} · ${it.owner}`}><b>${hour(it.begins_at)}</b> ${it.reason}</div>`)}</td>`;

function Weeks({ from, items }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Weeks"><table class="plain calendar" data-testid="calendar"><thead><tr>${DAYS.map((day) => html`<th>${day}</th>`)}</tr></thead>
    <tbody>${weeks(from, WEEKS, items).map((week) => html`<tr>${week.map((day) => html`<${Day} ...${day} />`)}</tr>`)}</tbody></table></div>`;
}

const STATES = { current: "in force", coming: "coming", over: "over" };

function Windows() {
  const found = useAnswer("/api/v1/maintenance", [], EVERY_MS);
  const end = (it) => told(post(`/api/v1/maintenance/${it.id}/end`, { reason: "ended from the calendar" }), () => `Ended: ${it.reason}`).then(found.again);
  const row = (it) => html`<tr key=${it.id}><td>${STATES[it.state]}</td><td>${it.reason}</td><td>${it.targets.map((each) => each.name).join(", ")}</td><td>${it.owner}</td><td><${Time} at=${it.next_begins_at} />${it.rule && html` <span class="chip">${it.rule}</span>`}</td><td>${it.counts_for_sla ? "counts" : "left out"}</td>
    <td>${it.state !== "over" && html`<button class="btn small" disabled=${!may("engineer")} onClick=${() => end(it)}>End</button>`}</td></tr>`;
  return html`<section class="card scroll" tabindex="0" aria-label="Windows"><header><h2>Windows</h2><span class="dim">${found.data && plural(found.data.items.length, "window")}</span></header><${Answer} of=${found}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>State</th><th>What</th><th>On</th><th>Owner</th><th>Next</th><th>Service level</th><th><span class="hidden-text">Acts</span></th></tr></thead><tbody>${items.map(row)}</tbody></table>`
    : html`<${Empty} title="No planned work">Alarms that planned work explains are put under it and nobody is woken.<//>`)}<//></section>`;
}

export function Calendar() {
  const from = useSignal(monday(Date.now()));
  const planning = useSignal(false);
  const to = shifted(from.value, WEEKS);
  const found = useAnswer(target("/api/v1/maintenance/calendar", { from: from.value.toISOString(), to: to.toISOString() }), [], EVERY_MS, { keep: true });
  const step = (n) => () => { from.value = n ? shifted(from.value, n) : monday(Date.now()); };
  return html`<section class="card stack" aria-label="Calendar"><header><h2>Planned work</h2><span class="dim">${found.data && plural(found.data.total, "time")} in four weeks</span><span class="grow" />
      <button class="btn small" aria-label="Four weeks back" onClick=${step(-WEEKS)}>‹</button><button class="btn small" onClick=${step(0)}>Today</button><button class="btn small" aria-label="Four weeks on" onClick=${step(WEEKS)}>›</button>
      <button class="btn small primary" disabled=${!may("engineer")} onClick=${() => { planning.value = true; }}>Plan work</button></header>
    <${Answer} of=${found} rows=${5}>${({ items }) => html`<${Weeks} from=${from.value} items=${items} />`}<//></section><${Windows} />
    ${planning.value && html`<${New} again=${found.again} onClose=${() => { planning.value = false; }} />`}`;
}
