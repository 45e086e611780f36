// Learnt causes: which alarm class brings which, with the evidence; an engineer accepts or rejects.
import { html, useRef, useSignal } from "../../view.js";
import { post } from "../../api.js";
import { may } from "../../boot.js";
import { count, plural } from "../../format.js";
import { told } from "../../told.js";
import { Answer, Dialog, Empty, Time, useAnswer } from "../../ui.js";
import { lasted, loopSays, reachSays } from "./model.js";

const WORDS = { accepted: "Accept", rejected: "Reject", proposed: "Think again" };
const NEXT = { proposed: ["accepted", "rejected"], accepted: ["rejected", "proposed"], rejected: ["accepted", "proposed"] };

function Decide({ it, state, again, onClose }) {
  const reason = useRef(null);
  const wrong = useSignal(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      await post("/api/v1/fault-causes/decisions", { cause: it.cause, effect: it.effect, state, reason: reason.current.value });
      again();
      onClose();
    } catch (error) {
      wrong.value = error;
    }
  };
  return html`<${Dialog} label=${`${WORDS[state]} a cause`} onClose=${onClose}><form onSubmit=${submit}><h2>${WORDS[state]}: ${it.cause} brings ${it.effect}?</h2>
    ${wrong.value && html`<p class="fault" role="alert">${wrong.value.message}${wrong.value.problem?.loop && html`<br /><b>${loopSays(wrong.value.problem.loop)}</b>`}</p>`}
    <p class="dim">${state === "accepted" ? `From now on an alarm ${it.effect} at most ${it.hops} links from and ${lasted(it.within_s)} after an alarm ${it.cause} is shown under that one, unless the topology explains it.` : "Correlation does not read it; the decision is kept."}</p>
    <div class="entry"><label for="cause-reason">Why</label><textarea id="cause-reason" ref=${reason} class="field" rows="3" maxlength="1024" autofocus /></div>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">${WORDS[state]}</button></footer></form><//>`;
}

function Edge({ it, ask }) {
  const says = it.evidence;
  return html`<tr data-testid="cause" data-state=${it.state}><td><b>${it.cause}</b><br />brings <b>${it.effect}</b></td><td>${it.state}${it.decided_by && html`<br /><span class="dim">${it.decided_by}, <${Time} at=${it.decided_at} />${it.reason && `: ${it.reason}`}</span>`}</td>
    <td>explains ${Math.round(it.share * 100)} % of ${plural(says.effects, "effect")} by ${plural(says.causes, "cause")}: ${reachSays(says.explained)}<br /><span class="dim">after ${says.lags_s.map(lasted).join(" / ")} (10 / 50 / 90 %), gain ${says.score}, of ${count(says.events)} alarms in ${says.days} d</span></td>
    <td class="num">${it.hops}</td><td class="num">${lasted(it.within_s)}</td>
    <td><span class="row acts">${NEXT[it.state].map((state) => html`<button class=${`btn small${state === "accepted" ? " primary" : ""}`} disabled=${!may("engineer")} onClick=${() => ask(it, state)}>${WORDS[state]}</button>`)}</span></td></tr>`;
}

export function Causes() {
  const found = useAnswer("/api/v1/fault-causes");
  const asking = useSignal(null);
  const busy = useSignal(false);
  const learn = async () => {
    busy.value = true;
    await told(post("/api/v1/fault-causes/proposals", { days: 30 }), (it) => `${plural(it.edges, "cause")} in ${count(it.events)} alarms of ${plural(it.classes, "class", "classes")}.`);
    busy.value = false;
    found.again();
  };
  return html`<section class="card scroll" tabindex="0" aria-label="Learnt causes"><header><h2>Learnt causes</h2><span class="dim">${found.data && plural(found.data.total, "edge")}</span><span class="grow" /><button class="btn small primary" disabled=${busy.value || !may("engineer")} onClick=${learn}>${busy.value ? "Learning…" : "Learn from 30 days"}</button></header>
    <${Answer} of=${found}>${({ items }) => (items.length
    ? html`<table class="plain"><thead><tr><th>Cause and effect</th><th>State</th><th>Evidence</th><th class="num">Links</th><th class="num">Within</th><th><span class="hidden-text">Acts</span></th></tr></thead><tbody>${items.map((it) => html`<${Edge} key=${`${it.cause} ${it.effect}`} it=${it} ask=${(edge, state) => { asking.value = { edge, state }; }} />`)}</tbody></table>`
    : html`<${Empty} title="Nothing was learnt yet">From the history of alarms the station finds which class brings which; what you accept, correlation reads.<//>`)}<//>
    ${asking.value && html`<${Decide} it=${asking.value.edge} state=${asking.value.state} again=${found.again} onClose=${() => { asking.value = null; }} />`}</section>`;
}
