// What other systems and customers know of an incident: its tickets, and the notices about it.
import { html } from "../../view.js";
import { post, target } from "../../api.js";
import { may } from "../../boot.js";
import { plural } from "../../format.js";
import { go } from "../../router.js";
import { told } from "../../told.js";
import { Time, useAnswer } from "../../ui.js";

export function Beside({ incident }) {
  const tickets = useAnswer(`/api/v1/notify/tickets/${incident.id}`, ["delivery"]);
  const notices = useAnswer(target("/api/v1/notices", { incident: incident.id }), ["delivery"]);
  const letters = target("/notify", { tab: "notices", incident: incident.id });
  const draft = async () => {
    if (await told(post(`/api/v1/incidents/${incident.id}/notices`), (it) => `${plural(it.items.filter((each) => each.state === "draft").length, "draft")} to read and send.`)) go(letters);
  };
  const mine = tickets.data?.items || [];
  const said = notices.data?.items || [];
  return html`<section class="card stack" data-testid="beside"><header><h2>Told</h2><span class="grow" />${incident.customers?.length > 0 && html`<button class="btn small" disabled=${!may("operator")} onClick=${draft}>Draft notices</button>`}</header>
    ${mine.length > 0 && html`<ul>${mine.map((it) => html`<li><b class="mono">${it.ticket}</b> <span class="dim">${it.webhook}${it.closed_at && ", closed "}${it.closed_at && html`<${Time} at=${it.closed_at} />`}</span></li>`)}</ul>`}
    ${said.length > 0 && html`<p><a href=${letters}>${plural(said.filter((it) => it.state === "sent").length, "notice")} sent, ${plural(said.filter((it) => it.state === "draft").length, "draft")}</a></p>`}
    ${!mine.length && !said.length && html`<p class="dim">No ticket, no notice yet.</p>`}</section>`;
}
