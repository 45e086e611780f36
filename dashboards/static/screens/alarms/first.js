// What the station asked first when it named the root, and what to do about such a fault.
import { html } from "../../view.js";
import { post } from "../../api.js";
import { Ago, Answer, toast, toastProblem, useAnswer } from "../../ui.js";

const SAYS = { good: "fine", bad: "look here", unknown: "not known" };
const ORDER = { bad: 0, unknown: 1, good: 2 };

/** The answers of the latest look; older ones stay in the API. */
export const latest = (checks) => checks.filter((each) => each.at === checks[0].at).sort((a, b) => ORDER[a.state] - ORDER[b.state]);

function Checks({ checks, again }) {
  return html`<section class="card stack" data-testid="first-checks"><header><h2>First checks</h2><span class="grow" />${checks.length > 0 && html`<span class="dim"><${Ago} at=${checks[0].at} /> ago</span>`}<button class="btn small" onClick=${again}>Ask again</button></header>
    ${checks.length === 0 ? html`<p class="dim">Nothing was asked yet.</p>` : html`<ul class="checks">${latest(checks).map((each) => html`<li data-state=${each.state}><b>${each.kind}</b> <span class="mono">${each.target}</span><span class="chip">${SAYS[each.state]}</span><br /><span>${each.says}</span></li>`)}</ul>`}
  </section>`;
}

function Runbook({ book, open }) {
  return html`<details class="runbook" open=${open}><summary>${book.title}</summary><ol>${book.steps.map((step) => html`<li>${step}</li>`)}</ol>${book.url && html`<p><a href=${book.url} rel="noopener noreferrer" target="_blank">More</a></p>`}</details>`;
}

export function FirstLook({ incident }) {
  const path = `/api/v1/incidents/${incident.id}/first-look`;
  const found = useAnswer(path, ["incident"]);
  const again = () => post(path).then(() => toast("Asked; the answers come in a moment", { kind: "done" })).catch(toastProblem);
  return html`<${Answer} of=${found}>${(data) => html`<${Checks} checks=${data.checks} again=${again} />
    ${data.runbooks.length > 0 && html`<section class="card stack" data-testid="runbooks"><h2>What to do</h2>${data.runbooks.map((book, n) => html`<${Runbook} book=${book} open=${n === 0} />`)}</section>`}`}<//>`;
}
