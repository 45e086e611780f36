// Make a webhook or change one: where to, in which words, of what.
import { html, useRef, useSignal } from "../../view.js";
import { post, send } from "../../api.js";
import { parse } from "../../filter.js";
import { SEVERITIES } from "../../severity.js";
import { Dialog, toast } from "../../ui.js";
import { FORMATS, bodyOf, faultsOf } from "./model.js";

function Field({ name, label, fault, help, children }) {
  const about = [fault && `fault-${name}`, help && `help-${name}`].filter(Boolean).join(" ");
  return html`<div class="entry"><label for=${`hook-${name}`}>${label}</label>${children({ name, id: `hook-${name}`, "aria-invalid": fault ? "true" : undefined, "aria-describedby": about || undefined })}
    ${fault && html`<span class="fault" id=${`fault-${name}`} role="alert">${fault}</span>`}${help && html`<span class="dim" id=${`help-${name}`}>${help}</span>`}</div>`;
}

const options = (all, chosen) => all.map(([value, says]) => html`<option value=${value} selected=${value === chosen}>${says}</option>`);

/** The signing secret is shown this once. */
function Secret({ name, secret, onClose }) {
  return html`<${Dialog} label="Signing secret" onClose=${onClose}><div class="inside"><h2>${name} signs with</h2><p><code class="secret">${secret}</code></p>
    <p class="dim">Give it to the receiver: it proves each message by the header X-Trunkline-Signature. It is shown this once.</p>
    <footer><button class="btn primary" onClick=${onClose} autofocus>I have it</button></footer></div><//>`;
}

export function Editor({ it, again, onClose }) {
  const form = useRef(null);
  const faults = useSignal({});
  const busy = useSignal(false);
  const format = useSignal(it?.format || "trunkline");
  const made = useSignal(null);
  const submit = async (event) => {
    event.preventDefault();
    const body = bodyOf(new FormData(form.current));
    const wrong = body.filter ? parse(body.filter).error : null;
    if (wrong) { faults.value = { filter: wrong }; return; }
    busy.value = true;
    try {
      const answer = await (it ? send("PUT", `/api/v1/webhooks/${it.id}`, body) : post("/api/v1/webhooks", body));
      again();
      toast(it ? `${answer.name} was changed.` : `${answer.name} is told from now on. Send a test to see it arrive.`);
      if (answer.secret) made.value = answer;
      else onClose();
    } catch (error) {
      faults.value = faultsOf(error);
    } finally {
      busy.value = false;
    }
  };
  if (made.value) return html`<${Secret} name=${made.value.name} secret=${made.value.secret} onClose=${onClose} />`;
  const fault = faults.value;
  const kept = it ? " Left empty, it stays as it is, unless the host changes." : "";
  return html`<${Dialog} class="wide" label=${it ? `Change ${it.name}` : "New webhook"} onClose=${onClose}><form ref=${form} onSubmit=${submit} data-testid="webhook-editor">
    <h2>${it ? `Change ${it.name}` : "New webhook"}</h2>
    ${fault.form && html`<p class="fault" role="alert">${fault.form}</p>`}
    <${Field} name="name" label="Name" fault=${fault.name}>${(of) => html`<input class="field" ...${of} required maxlength="64" autocomplete="off" defaultValue=${it?.name || ""} autofocus />`}<//>
    <${Field} name="url" label="URL" fault=${fault.url} help="Private addresses are refused unless [notify] allow names them.">${(of) => html`<input class="field mono" type="url" ...${of} required maxlength="2048" autocomplete="off" placeholder="https://" defaultValue=${it?.url || ""} />`}<//>
    <div class="cols"><${Field} name="format" label="Format" fault=${fault.format}>${(of) => html`<select class="field" ...${of} onChange=${(e) => { format.value = e.target.value; }}>${options(FORMATS, format.value)}</select>`}<//>
      <${Field} name="about" label="Told of">${(of) => html`<select class="field" ...${of}>${options([["incidents", "root causes (one message per outage)"], ["alarms", "every alarm"]], it?.about || "incidents")}</select>`}<//>
      <${Field} name="severity" label="From severity" fault=${fault.severity}>${(of) => html`<select class="field" ...${of}>${options(SEVERITIES.map((each) => [each, each]), it?.severity || "indeterminate")}</select>`}<//></div>
    <${Field} name="filter" label="Only what matches (empty: everything)" fault=${fault.filter}>${(of) => html`<input class="field mono" ...${of} maxlength="1024" autocomplete="off" spellcheck="false" placeholder="region:Berlin site:Potsdam*" defaultValue=${it?.filter || ""} />`}<//>
    ${format.value === "template" && html`<${Field} name="template" label="Template" fault=${fault.template} help="A restricted Jinja template that renders the body from the incident or alarm.">${(of) => html`<textarea class="field mono" ...${of} rows="5" required defaultValue=${it?.template || ""} />`}<//>
      <${Field} name="content_type" label="Content type" fault=${fault.content_type}>${(of) => html`<input class="field mono" ...${of} defaultValue=${it?.content_type || "application/json"} />`}<//>`}
    ${format.value === "pagerduty" && html`<${Field} name="routing_key" label="Routing key" fault=${fault.routing_key} help=${kept}>${(of) => html`<input class="field mono" ...${of} required=${!it} maxlength="256" autocomplete="off" />`}<//>`}
    <details><summary>Secret and headers</summary><div class="stack">
      <${Field} name="secret" label="Signing secret" fault=${fault.secret} help=${it ? kept : "Left empty, one is made and shown once."}>${(of) => html`<input class="field mono" ...${of} maxlength="256" autocomplete="off" />`}<//>
      <${Field} name="headers" label="Headers, one a line" fault=${fault.headers} help=${`Authorization: Bearer … goes in and never comes out.${kept}`}>${(of) => html`<textarea class="field mono" ...${of} rows="2" />`}<//></div></details>
    <label class="check"><input type="checkbox" name="enabled" defaultChecked=${it?.enabled ?? true} /> Enabled</label>
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary" disabled=${busy.value}>${it ? "Change" : "Create"}</button></footer>
  </form><//>`;
}
