// Small pieces every screen shares: states of a card, dialogs, toasts, times that age.
import { html, signal, useEffect, useRef, useSignal } from "./view.js";
import { ApiError, get } from "./api.js";
import { on } from "./live.js";
import { clock, span } from "./format.js";

const TOAST_MS = 10_000;
const TOASTS_MAX = 4;

export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);

export const Ago = ({ at }) => html`<time datetime=${at} title=${at}>${at ? span(now.value - Date.parse(at)) : "–"}</time>`;
export const Time = ({ at }) => html`<time class="mono" datetime=${at} title=${at}>${clock(at, now.value)}</time>`;

export const Skeleton = ({ rows = 4 }) => html`<div class="skeleton" role="status" aria-label="Loading">${Array.from({ length: rows }, () => html`<i />`)}</div>`;

export const Empty = ({ title, children }) => html`<div class="empty"><b>${title}</b>${children && html`<span>${children}</span>`}</div>`;

/** A sentence, what still works, and the id to quote; forbidden says who can help. */
export function Problem({ error, retry }) {
  const problem = error instanceof ApiError ? error.problem : { title: "This part of the page failed", detail: String(error?.message || error) };
  return html`<div class="card problem stack" role="alert">
    <b>${problem.title}</b>
    <p>${problem.detail}</p>
    ${problem.needs && html`<p class="dim">You are signed in without the role ${problem.needs}. An administrator can grant it.</p>`}
    <p class="row">
      ${retry && html`<button class="btn small" onClick=${retry}>Try again</button>`}
      ${problem.request_id && html`<span class="dim">request <code>${problem.request_id}</code></span>`}
    </p>
  </div>`;
}

/** A part of a screen whose module is loaded when it is first shown; `load` answers the view. `bare`: it stands in a card already. */
export function lazy(load, { bare = false } = {}) {
  const view = signal(null);
  const error = signal(null);
  let asked = null;
  return (props) => {
    useEffect(() => {
      asked ||= load().then((found) => { view.value = found; }, (problem) => { error.value = problem; });
    }, []);
    if (error.value) return html`<${Problem} error=${error.value} />`;
    return view.value ? html`<${view.value} ...${props} />` : html`<div class=${bare ? "" : "card"}><${Skeleton} /></div>`;
  };
}

/**
 * What an API path answers, kept fresh: asked again on `topics` (at most once a second), after a reload, and each `everyMs` while the page is seen.
 * `keep`: the answer of the path before stays until the new one is there.
 * @returns {{data: any, error: any, again: () => void}} data undefined while loading
 */
export function useAnswer(path, topics = [], everyMs = 0, { keep = false } = {}) {
  const answer = useSignal({ path: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    let gone = false;
    let timer = 0;
    const ask = async () => {
      timer = 0;
      try {
        const data = await get(path);
        if (!gone) answer.value = { path, data };
      } catch (error) {
        if (!gone) answer.value = { path, data: keep || answer.value.path === path ? answer.value.data : undefined, error };
      }
    };
    const soon = () => {
      timer ||= setTimeout(ask, 1000);
    };
    again.current = ask;
    ask();
    const stops = [...topics, "reload"].map((topic) => on(topic, soon));
    const ticking = everyMs && setInterval(() => document.hidden || soon(), everyMs);
    return () => {
      clearInterval(ticking);
      gone = true;
      clearTimeout(timer);
      for (const stop of stops) stop();
    };
  }, [path]);
  const current = answer.value.path === path ? answer.value : keep && path ? { data: answer.value.data } : {};
  return { data: current.data, error: current.error, again: () => again.current() };
}

/** Children of the answer, or the state that stands for it. */
export function Answer({ of, rows, children }) {
  if (of.data !== undefined) return children(of.data);
  return of.error ? html`<${Problem} error=${of.error} retry=${of.again} />` : html`<${Skeleton} rows=${rows} />`;
}

/** A modal dialog with the browser's own focus trap; Esc and the backdrop close it. */
export function Dialog({ label, onClose, children, ...rest }) {
  const element = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.focus?.({ preventScroll: true });
  }, []);
  const outside = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} aria-label=${label} onClose=${onClose} onClick=${outside} ...${rest}>${children}</dialog>`;
}

const toasts = signal([]);
let lastToast = 0;

/** Say something for ten seconds; `act` is a button ([text, function]). */
export function toast(text, { kind = "done", act = null } = {}) {
  const id = (lastToast += 1);
  toasts.value = [...toasts.value.slice(1 - TOASTS_MAX), { id, text, kind, act }];
  setTimeout(() => dismiss(id), TOAST_MS);
}

export const toastProblem = (error) => toast(error instanceof ApiError && error.problem.request_id ? `${error.message} (request ${error.problem.request_id})` : error.message, { kind: "problem" });

const dismiss = (id) => {
  toasts.value = toasts.value.filter((each) => each.id !== id);
};

let underWay = Promise.resolve();

/** Name an act that an undo has to wait for: the stream may paint its change before its own answer is here. */
export function acting(act) {
  underWay = act;
  return act;
}

/** Undo of the newest toast that has one, once the act under way is answered. */
export async function undoLast() {
  await underWay;
  const last = toasts.value.findLast((each) => each.act);
  if (!last) return;
  dismiss(last.id);
  last.act[1]();
}

export function Toasts() {
  const press = (each) => {
    dismiss(each.id);
    each.act[1]();
  };
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (each) => html`<div class="toast" key=${each.id} data-testid="toast" data-kind=${each.kind}>
        <span>${each.text}</span>
        ${each.act && html`<button class="btn small" onClick=${() => press(each)}>${each.act[0]} <kbd>z</kbd></button>`}
        <button class="btn small bare" aria-label="Dismiss" onClick=${() => dismiss(each.id)}>✕</button>
      </div>`,
    )}
  </div>`;
}
