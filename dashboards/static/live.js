// One stream of events per page: topics to listeners, and how alive the connection is.
import { boot } from "./boot.js";
import { signInAgain } from "./api.js";
import { signal } from "./view.js";

const TOPICS = ["alarm", "incident", "topology", "device", "progress", "story", "freshness"];
const STALE_AFTER_MS = 10_000;
const RETRY_MS = [1000, 2000, 5000, 10_000];

/** `state`: connecting, live, stale (no heartbeat), lost. `heardAt`: when anything last came, ms. */
export const live = { state: signal("connecting"), heardAt: signal(Date.now()), seq: signal(boot.seq), retries: signal(0), lagMs: signal(0) };

const listeners = new Map();

/** Call `listener(data)` for each message of a topic (`reload`: start over); returns how to stop. */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

function tell(topic, data) {
  for (const listener of listeners.get(topic) || []) listener(data);
}

function heard(event) {
  live.heardAt.value = Date.now();
  live.state.value = "live";
  if (event.lastEventId) live.seq.value = Number(event.lastEventId);
}

export function start() {
  const source = new EventSource(`/events?since=${live.seq.value}`);
  source.addEventListener("open", () => {
    live.retries.value = 0;
  });
  source.addEventListener("beat", (event) => {
    heard(event);
    live.lagMs.value = Math.max(0, Date.now() - JSON.parse(event.data).at);
  });
  for (const topic of TOPICS) source.addEventListener(topic, (event) => receive(topic, event));
  source.addEventListener("reload", (event) => {
    heard(event);
    tell("reload", null);
  });
  source.addEventListener("error", () => failed(source));
}

function receive(topic, event) {
  heard(event);
  const data = JSON.parse(event.data);
  // A caller who may see only a part of the network gets the hint without the content.
  if (Object.keys(data).length) tell(topic, data);
  else tell("reload", null);
}

async function failed(source) {
  live.state.value = "lost";
  live.retries.value += 1;
  if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself, with Last-Event-ID
  const wait = RETRY_MS[Math.min(live.retries.value, RETRY_MS.length) - 1];
  setTimeout(async () => {
    const answer = await fetch("/api/v1/alarms/summary").catch(() => null);
    if (answer?.status === 401) signInAgain();
    else start();
  }, wait);
}

setInterval(() => {
  if (live.state.value === "live" && Date.now() - live.heardAt.value > STALE_AFTER_MS) live.state.value = "stale";
}, 500);
