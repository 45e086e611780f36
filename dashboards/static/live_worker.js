// One stream for every tab of a browser (HTTP/1.1 allows six connections to a host): this worker reads it, the tabs listen.
import { Stream } from "./stream.js";

const KEPT_MAX = 1000;
const QUIET_TAB_MS = 300_000;

const tabs = new Map();
let stream = null;
let kept = [];
let keptFrom = 0;

function tell(message) {
  for (const port of tabs.keys()) port.postMessage(message);
}

function passOn(message) {
  if (message.topic === "reload") [kept, keptFrom] = [[], message.seq];
  else kept.push(message);
  if (kept.length > KEPT_MAX) keptFrom = kept.shift().seq;
  tell(message);
}

/** A tab that was made at `since` gets what came after it; `reload` when that is not known any more. */
function attach(port, { since, epoch }) {
  tabs.set(port, Date.now());
  if (!stream) {
    keptFrom = since;
    stream = new Stream({ since, epoch, onMessage: passOn, onStatus: (status) => tell({ status: { ...status } }) });
    return;
  }
  port.postMessage({ status: { ...stream.status } });
  if (epoch !== stream.status.epoch || since < keptFrom) port.postMessage({ topic: "reload", data: "{}", seq: stream.status.seq });
  else for (const message of kept) if (message.seq > since) port.postMessage(message);
}

function detach(port) {
  tabs.delete(port);
  if (tabs.size || !stream) return;
  stream.stop();
  stream = null;
  kept = [];
}

addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.bye) detach(port);
    else if (tabs.has(port)) tabs.set(port, Date.now());
    else attach(port, data);
  };
});

// A tab that crashed says no good-bye.
setInterval(() => {
  for (const [port, seenAt] of tabs) if (Date.now() - seenAt > QUIET_TAB_MS) detach(port);
}, QUIET_TAB_MS / 5);
