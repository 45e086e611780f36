// What just happened, for the screens: topics to listeners, and how alive the connection is.
import { boot } from "./boot.js";
import { signInAgain } from "./api.js";
import { Stream } from "./stream.js";
import { batch, signal } from "./view.js";

const WORKER_WITHIN_MS = 4000;
const HERE_EVERY_MS = 30_000;

/** `state`: connecting, live, stale (no heartbeat), lost. `heardAt`: when anything last came, ms. `by`: the worker or this page. */
export const live = { state: signal("connecting"), heardAt: signal(Date.now()), seq: signal(boot.seq), retries: signal(0), lagMs: signal(0), by: signal("") };

const listeners = new Map();
let epoch = boot.epoch;

/** Call `listener(data)` for each message of a topic (`reload`: start over); returns how to stop. */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

function tell(topic, data) {
  for (const listener of listeners.get(topic) || []) listener(data);
}

/** A caller who may see only a part of the network gets the hint without the content, and asks the API. */
function receive({ topic, data, seq }) {
  live.seq.value = seq;
  live.heardAt.value = Date.now();
  if (topic === "reload") return tell("reload", null);
  const content = JSON.parse(data);
  const hint = !Object.keys(content).length;
  return hint && topic !== "freshness" ? tell("reload", null) : tell(topic, hint ? null : content);
}

function follow(status) {
  if (status.state === "signed-out") signInAgain();
  epoch = status.epoch;
  batch(() => {
    live.state.value = status.state;
    live.heardAt.value = Math.max(status.heardAt, status.state === "live" ? 0 : live.heardAt.value);
    live.retries.value = status.retries;
    live.lagMs.value = status.lagMs;
  });
}

/** This page reads the stream itself: where there is no SharedWorker, or it does not start. */
function alone() {
  live.by.value = "page";
  return new Stream({ since: live.seq.value, epoch, onMessage: receive, onStatus: follow });
}

function together() {
  // The name holds a part of the session's token: tabs of another session get a worker, and a stream, of their own.
  const made = new SharedWorker(workerUrl(), { type: "module", name: `trunkline ${boot.csrf.slice(0, 12)}` });
  const hello = () => made.port.postMessage({ since: live.seq.value, epoch });
  const failed = () => {
    clearTimeout(late);
    made.port.close();
    alone();
  };
  const late = setTimeout(failed, WORKER_WITHIN_MS);
  made.addEventListener("error", failed, { once: true });
  made.port.onmessage = ({ data }) => {
    clearTimeout(late);
    live.by.value = "worker";
    if (data.status) follow(data.status);
    else receive(data);
  };
  hello();
  setInterval(hello, HERE_EVERY_MS);
  addEventListener("pagehide", () => made.port.postMessage({ bye: true }));
  addEventListener("pageshow", (event) => event.persisted && hello());
}

/** The content policy wants script addresses named by a policy; this is the only one. */
function workerUrl() {
  const url = new URL("./live_worker.js", import.meta.url).href;
  return globalThis.trustedTypes ? trustedTypes.createPolicy("trunkline-worker", { createScriptURL: (text) => text }).createScriptURL(url) : url;
}

export function start() {
  if (typeof SharedWorker === "function") together();
  else alone();
}
