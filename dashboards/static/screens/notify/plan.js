// The plan: which route takes what, whom it tells, and how it climbs when nobody takes it.
import { html, useRef, useSignal } from "../../view.js";
import { send } from "../../api.js";
import { may } from "../../boot.js";
import { told } from "../../told.js";
import { Answer, Dialog, Empty, Time, useAnswer } from "../../ui.js";
import { read, says, stepSays, takes, timesSay, written } from "./plan_model.js";

const Route = ({ it }) => html`<li><b>${takes(it)}</b>${says(it).map((each) => html` <span class="chip">${each}</span>`)}
  ${it.routes?.length > 0 && html`<ol class="routes">${it.routes.map((child) => html`<${Route} it=${child} />`)}</ol>`}</li>`;

const Named = ({ title, all, view, none }) => html`<section class="card stack"><h2>${title}</h2>${Object.keys(all || {}).length
  ? html`<dl class="facts">${Object.entries(all).map(([name, it]) => html`<dt>${name}</dt><dd>${view(it)}</dd>`)}</dl>`
  : html`<p class="dim">${none}</p>`}</section>`;

const layer = (it) => html`<div>${it.people.join(" → ")} <span class="dim">every ${it.every_h || 168} h from ${it.starts} ${it.zone || "UTC"}${it.times?.length ? `, in ${it.times.join(", ")}` : ""}</span></div>`;

function Edit({ plan, again, onClose }) {
  const area = useRef(null);
  const wrong = useSignal("");
  const submit = async (event) => {
    event.preventDefault();
    try {
      const body = read(area.current.value);
      const answer = await send("PUT", "/api/v1/notify/plan", body);
      await told(answer, (it) => `Plan ${it.revision} is in force.`);
      again();
      onClose();
    } catch (error) {
      wrong.value = error.problem ? `${error.problem.field ? `${error.problem.field}: ` : ""}${error.message}` : error.message;
    }
  };
  return html`<${Dialog} class="wide" label="Change the plan" onClose=${onClose}><form onSubmit=${submit}><h2>Change the plan</h2>
    ${wrong.value && html`<p class="fault" role="alert">${wrong.value}</p>`}
    <div class="entry"><label for="plan-text">The whole plan as JSON: route, times, schedules, people, chains, teams</label><textarea id="plan-text" ref=${area} class="field mono" rows="18" spellcheck="false" defaultValue=${written(plan)} autofocus /></div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">Put in force</button></footer></form><//>`;
}

function Shown({ revision, plan, again }) {
  const editing = useSignal(false);
  return html`<section class="card stack" aria-label="Routes"><header><h2>Routes</h2><span class="dim">${revision ? `revision ${revision}` : "none yet"}</span><span class="grow" /><button class="btn small primary" disabled=${!may("engineer")} onClick=${() => { editing.value = true; }}>Change</button></header>
      ${plan.route ? html`<ol class="routes"><${Route} it=${plan.route} /></ol>` : html`<${Empty} title="No plan">Every webhook hears what its own severity and filter let in.<//>`}</section>
    <div class="cards"><${Named} title="Chains" all=${plan.chains} none="Nothing climbs." view=${(it) => html`<ol>${it.steps.map((step) => html`<li>${stepSays(step)}</li>`)}</ol>`} />
      <${Named} title="Schedules" all=${plan.schedules} none="Nobody is on call." view=${(it) => html`${(it.layers || []).map(layer)}${(it.overrides || []).map((each) => html`<div>${each.person} <span class="dim">instead, <${Time} at=${each.since} /> to <${Time} at=${each.until} /></span></div>`)}`} />
      <${Named} title="Times" all=${plan.times} none="No hours are named." view=${timesSay} />
      <${Named} title="People" all=${plan.people} none="Nobody is named." view=${(it) => it.join(", ")} />
      <${Named} title="Teams" all=${plan.teams} none="Reports tell of no teams." view=${(it) => it.join(", ")} /></div>
    ${editing.value && html`<${Edit} plan=${plan} again=${again} onClose=${() => { editing.value = false; }} />`}`;
}

export function Plan() {
  const found = useAnswer("/api/v1/notify/plan");
  return html`<${Answer} of=${found} rows=${6}>${(it) => html`<${Shown} ...${it} again=${found.again} />`}<//>`;
}
