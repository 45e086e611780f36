// Notices to customers and the public: drafted by the station, read, changed and sent by a person.
import { html, useRef, useSignal } from "../../view.js";
import { post, send, target } from "../../api.js";
import { may } from "../../boot.js";
import { plural } from "../../format.js";
import { query, setQuery } from "../../router.js";
import { told } from "../../told.js";
import { Answer, Dialog, Empty, Time, useAnswer } from "../../ui.js";

const EVERY_MS = 30_000;
const STATES = { "": "all", draft: "drafts", sent: "sent", dropped: "dropped" };
const WORDS = { opened: "begins", update: "goes on", closed: "is over" };
const whom = (it) => (it.public ? "everybody (status page)" : it.customer);
const stateOf = (it) => (it.state !== "sent" ? it.state : it.public ? "published" : it.delivery === "delivered" ? "delivered" : it.delivery === "failed" ? "not delivered" : it.delivery === "pending" ? "on its way" : it.state);

function Letter({ it, again, onClose }) {
  const form = useRef(null);
  const wrong = useSignal("");
  const open = it.state === "draft" && may("operator");
  const save = async () => {
    const fields = Object.fromEntries(["recipient", "subject", "text"].map((name) => [name, new FormData(form.current).get(name) ?? it[name]]));
    await send("PUT", `/api/v1/notices/${it.id}`, fields);
  };
  const act = async (doing) => {
    try {
      await doing();
      again();
      onClose();
    } catch (error) {
      wrong.value = error.message;
    }
  };
  const dispatch = async () => {
    await save();
    const answer = await post(`/api/v1/notices/${it.id}/send`, {});
    told(answer, (sent) => (sent.public ? "Published on the status page." : `Sent to ${sent.recipient}.`));
  };
  return html`<${Dialog} class="wide" label=${`Notice to ${whom(it)}`} onClose=${onClose}><form ref=${form} onSubmit=${(e) => { e.preventDefault(); act(dispatch); }}><h2>To ${whom(it)}</h2>
    ${wrong.value && html`<p class="fault" role="alert">${wrong.value}</p>`}
    ${!it.public && html`<div class="entry"><label for="notice-to">E-mail addresses, by comma</label><input id="notice-to" class="field" name="recipient" maxlength="1024" readonly=${!open} defaultValue=${it.recipient} /></div>`}
    <div class="entry"><label for="notice-subject">Subject</label><input id="notice-subject" class="field" name="subject" required maxlength="255" readonly=${!open} defaultValue=${it.subject} /></div>
    <div class="entry"><label for="notice-text">Text</label><textarea id="notice-text" class="field" name="text" required maxlength="8000" rows="12" readonly=${!open} defaultValue=${it.text} /></div>
    ${it.error && html`<p class="dim">${it.error}</p>`}
    <footer><button type="button" class="btn" onClick=${onClose}>Close</button>${open && html`<button type="button" class="btn" onClick=${() => act(() => post(`/api/v1/notices/${it.id}/drop`))}>Drop</button><button type="button" class="btn" onClick=${() => act(save)}>Keep as draft</button><button class="btn primary">${it.public ? "Publish" : "Send"}</button>`}</footer></form><//>`;
}

export function Letters() {
  const state = query.value.get("state") || "";
  const incident = query.value.get("incident") || "";
  const found = useAnswer(target("/api/v1/notices", { state, incident, limit: 500 }), ["delivery"], EVERY_MS);
  const open = useSignal(null);
  return html`<section class="card scroll" tabindex="0" aria-label="Notices"><header><h2>Notices</h2><span class="dim">${found.data && plural(found.data.total, "notice")}${incident && " of one incident"}</span><span class="grow" />
      ${incident && html`<button class="btn small" onClick=${() => setQuery({ incident: null })}>Of every incident</button>`}
      ${Object.entries(STATES).map(([name, word]) => html`<button class="btn small" aria-pressed=${name === state ? "true" : "false"} onClick=${() => setQuery({ state: name })}>${word}</button>`)}</header>
    <${Answer} of=${found}>${({ items }) => (items.length
    ? html`<table class="plain" data-testid="notices"><thead><tr><th>Made</th><th>To</th><th>Says that it</th><th>Subject</th><th>State</th><th>By</th></tr></thead><tbody>${items.map((it) => html`<tr key=${it.id}><td><${Time} at=${it.created_at} /></td><td>${whom(it)}</td><td>${WORDS[it.kind]}</td><td><button class="btn bare small" onClick=${() => { open.value = it; }}>${it.subject}</button></td><td>${stateOf(it)}${it.done_at && html` <span class="dim"><${Time} at=${it.done_at} /></span>`}</td><td>${it.done_by || it.created_by}</td></tr>`)}</tbody></table>`
    : html`<${Empty} title="Nothing to tell">Open an alarm that hurts customers and draft their notices there.<//>`)}<//>
    ${open.value && html`<${Letter} key=${open.value.id} it=${open.value} again=${found.again} onClose=${() => { open.value = null; }} />`}</section>`;
}
