// Asking for what an act needs: why and how long to shelve, what to say, whether to clear.
import { html, useRef } from "../../view.js";
import { plural } from "../../format.js";
import { Dialog } from "../../ui.js";
import { SHELVE_FOR, act, until } from "./acts.js";

const TEXT_MAX = 2000;
const whom = (them) => (them.filter === undefined ? plural(them.ids.length, "alarm") : `all ${plural(them.count, "alarm")} that match`);
const target = (them) => (them.filter === undefined ? { ids: them.ids } : { filter: them.filter });

function Ask({ title, label, them, press, children, onClose }) {
  const form = useRef(null);
  const submit = async (event) => {
    event.preventDefault();
    if (await press(new FormData(form.current))) onClose();
  };
  return html`<${Dialog} label=${title} onClose=${onClose}><form ref=${form} onSubmit=${submit}>
    <h2>${title} <span class="dim">· ${whom(them)}</span></h2>
    ${children}
    <footer><button type="button" class="btn" onClick=${onClose}>Cancel</button><button class="btn primary">${label}</button></footer>
  </form><//>`;
}

export const Shelve = ({ them, onClose }) => html`<${Ask} title="Shelve" label="Shelve" them=${them} onClose=${onClose}
  press=${(given) => act("shelve", target(them), { reason: given.get("reason"), until: until(Number(given.get("minutes"))) })}>
  <p class="dim">Shelved alarms leave the list until the time is up, come back by themselves, and stay counted.</p>
  <label>Reason<input class="field" name="reason" required maxlength="200" autocomplete="off" autofocus /></label>
  <label>For<select class="field" name="minutes">${SHELVE_FOR.map(([says, minutes]) => html`<option value=${minutes} selected=${minutes === 60}>${says}</option>`)}</select></label>
<//>`;

export const Comment = ({ them, onClose }) => html`<${Ask} title="Comment" label="Add" them=${them} onClose=${onClose}
  press=${(given) => act("comment", target(them), { text: given.get("text") })}>
  <label>Text<textarea class="field" name="text" rows="4" required maxlength=${TEXT_MAX} autofocus /></label>
<//>`;

const SURE = {
  clear: ["Clear", "The station raises them again if their cause is still seen."],
  acknowledge: ["Acknowledge", "You take them on; they stay in the list until they clear."],
};

export const Sure = ({ them, action, onClose }) => html`<${Ask} title=${SURE[action][0]} label=${SURE[action][0]} them=${them} onClose=${onClose}
  press=${() => act(action, target(them))}><p class="dim">${SURE[action][1]}</p><//>`;
