// The API, from its own description (OpenAPI 3.1), without anything from outside.
import { html, useSignal } from "../../view.js";
import { Answer, useAnswer } from "../../ui.js";

function Operation({ method, path, it }) {
  const given = it.parameters || [];
  return html`<details class="card"><summary><span class="chip">${method.toUpperCase()}</span> <code>${path}</code> <span class="dim">${it.summary}</span></summary>
    ${it.description && html`<p>${it.description}</p>`}
    ${given.length > 0 && html`<table class="plain"><thead><tr><th>Parameter</th><th>In</th><th>Type</th></tr></thead><tbody>${given.map((each) => html`<tr><td class="mono">${each.name}${each.required ? " *" : ""}</td><td>${each.in}</td><td>${each.schema?.type || each.schema?.$ref || "–"}</td></tr>`)}</tbody></table>`}
    <p class="dim">Answers ${Object.keys(it.responses || {}).join(", ")}</p></details>`;
}

export default function Api() {
  const wanted = useSignal("");
  const spec = useAnswer("/openapi.json");
  return html`<div class="stack"><div class="row"><h1>API</h1><span class="grow" /><input class="field" type="search" aria-label="Find an operation" placeholder="find" value=${wanted.value} onInput=${(e) => { wanted.value = e.target.value; }} /><a class="btn" href="/openapi.json">openapi.json</a></div>
    <p class="dim">Send <code>Authorization: Bearer tl_…</code> with a token from <code>trunkline token add</code>. Errors are problem+json (RFC 9457), lists come in pages with a cursor.</p>
    <${Answer} of=${spec} rows=${10}>${(data) => html`${Object.entries(data.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, it]) => [path, method, it])).filter(([path]) => path.includes(wanted.value)).map(([path, method, it]) => html`<${Operation} key=${method + path} method=${method} path=${path} it=${it} />`)}`}<//></div>`;
}
