// One incident on the map, replayed: the slider is time, the marks are the alarms that stood then.
import { html, useEffect, useSignal } from "../../view.js";
import { count, plural } from "../../format.js";
import { Mark } from "../../marks.js";
import { setQuery } from "../../router.js";
import { Answer, Time } from "../../ui.js";
import { nextAt, saidAt, spanOf } from "./replay_model.js";

const STEP_MS = 250;
const WORDS = { raised: "raised", reopened: "raised again", severity: "is now", cleared: "cleared", acknowledged: "taken" };

function Playing({ found, at }) {
  const playing = useSignal(false);
  const bounds = spanOf(found);
  useEffect(() => {
    if (!playing.value) return undefined;
    const ticking = setInterval(() => {
      at.value = nextAt(at.value, bounds);
      if (at.value >= bounds[1]) playing.value = false;
    }, STEP_MS);
    return () => clearInterval(ticking);
  }, [playing.value]);
  const play = () => {
    if (at.value === null || at.value >= bounds[1]) [at.value] = bounds;
    playing.value = !playing.value;
  };
  const shown = at.value ?? bounds[1];
  const it = found.incident;
  return html`<section class="card stack" data-testid="replay"><h1>${it.root.name}</h1><p>${it.explanation.summary}</p>
    <p class="dim">${plural(it.alarms, "alarm")} · ${Math.round(it.confidence * 100)} % sure${!found.whole && ` · the first ${count(found.items.length)} changes`}</p>
    <label class="stack">At <b class="mono">${new Date(shown).toLocaleTimeString("en-GB")}</b><input type="range" min=${bounds[0]} max=${bounds[1]} step="1000" value=${shown} aria-valuetext=${new Date(shown).toLocaleTimeString("en-GB")} onInput=${(e) => { playing.value = false; at.value = Number(e.target.value); }} /></label>
    <p class="row"><button class="btn small primary" onClick=${play}>${playing.value ? "Stop" : "Replay"}</button><button class="btn small" onClick=${() => { playing.value = false; at.value = null; }} aria-pressed=${at.value === null ? "true" : "false"}>Its end</button><button class="btn small" onClick=${() => setQuery({ sel: it.root.id })}>Show its root</button><button class="btn small" onClick=${() => setQuery({ incident: null })}>Live again</button></p>
    <ol class="near">${saidAt(found.items, shown).map((each) => html`<li class="row"><${Mark} tone=${each.is_cleared ? "cleared" : each.perceived_severity} label /><span class="grow clip" title=${each.text}>${[each.device, each.object].filter(Boolean).join(" ")} ${WORDS[each.what]}: ${each.text}</span><${Time} at=${each.at} /></li>`)}</ol></section>`;
}

export const Replay = ({ found, at }) => html`<${Answer} of=${found} rows=${6}>${(data) => html`<${Playing} key=${data.incident.id} found=${data} at=${at} />`}<//>`;

/** The open incidents, worst first, to choose one to look at. */
export const Incidents = ({ items }) => (items.length > 0 ? html`<section class="card stack"><h2>Incidents</h2><ul class="near">${items.slice(0, 12).map((it) => html`<li><button class="btn bare small" onClick=${() => setQuery({ incident: it.id, sel: null })}><${Mark} tone=${it.perceived_severity} label /> ${it.root.name} <span class="dim">${plural(it.alarms, "alarm")}</span></button></li>`)}</ul></section>` : null);
