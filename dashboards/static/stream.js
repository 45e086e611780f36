// The station's event stream, wherever it is read (a SharedWorker for every tab, or the page itself): one EventSource that
// comes back with growing patience, goes on where it stopped, and learns from the station when something was missed.

export const TOPICS = ["alarm", "incident", "delivery", "topology", "device", "progress", "story", "freshness", "reload"];
export const STALE_AFTER_MS = 10_000;
export const DEAD_AFTER_MS = 20_000;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000, 30_000];
const LOOK_MS = 1000;

/** How long to wait before try number `n` (from 1): it grows to half a minute, and no two pages wait the same. */
export const patience = (n, chance = Math.random()) => RETRY_MS[Math.min(n, RETRY_MS.length) - 1] * (0.75 + chance / 2);

/**
 * @typedef {{state: "connecting"|"live"|"stale"|"lost"|"signed-out", heardAt: number, seq: number, epoch: string, retries: number, lagMs: number}} Status
 * `since` and `epoch` are what the page was made with; `onMessage({topic, data, seq})` gets the JSON as text, `onStatus` each change.
 */
export class Stream {
  constructor({ since, epoch, onMessage, onStatus }) {
    /** @type {Status} */
    this.status = { state: "connecting", heardAt: Date.now(), seq: since, epoch, retries: 0, lagMs: 0 };
    Object.assign(this, { onMessage, onStatus });
    this.open();
    this.looking = setInterval(() => this.look(), LOOK_MS);
  }

  open() {
    const { seq, epoch } = this.status;
    this.source = new EventSource(`/events?${new URLSearchParams({ since: seq, epoch })}`);
    this.source.addEventListener("beat", (event) => this.beat(JSON.parse(event.data)));
    this.source.addEventListener("error", () => this.lost());
    for (const topic of TOPICS) this.source.addEventListener(topic, (event) => this.heard(topic, event));
  }

  beat({ at, epoch }) {
    this.change({ state: "live", heardAt: Date.now(), retries: 0, epoch, lagMs: Math.max(0, Date.now() - at) });
  }

  heard(topic, event) {
    const seq = event.lastEventId === "" ? this.status.seq : Number(event.lastEventId);
    Object.assign(this.status, { seq, heardAt: Date.now() });
    if (this.status.state !== "live") this.change({ state: "live" });
    this.onMessage({ topic, data: event.data, seq });
  }

  change(to) {
    Object.assign(this.status, to);
    this.onStatus(this.status);
  }

  /** No beat for a while is stale; a connection that stays silent is given up (a laptop that slept, a cable that was pulled). */
  look() {
    const silent = Date.now() - this.status.heardAt;
    if (silent > DEAD_AFTER_MS && this.source.readyState === EventSource.OPEN) this.lost();
    else if (silent > STALE_AFTER_MS && this.status.state === "live") this.change({ state: "stale" });
  }

  lost() {
    this.source.close();
    clearTimeout(this.waiting);
    const retries = this.status.retries + 1;
    this.change({ state: "lost", retries });
    this.waiting = setTimeout(() => this.again(), patience(retries));
  }

  /** An EventSource does not say why it failed: before a second try, ask whether we are still known. */
  async again() {
    const answer = this.status.retries > 1 ? await fetch("/api/v1/alarms?limit=1").catch(() => null) : null;
    if (answer?.status === 401) this.change({ state: "signed-out" });
    else this.open();
  }

  stop() {
    clearInterval(this.looking);
    clearTimeout(this.waiting);
    this.source.close();
  }
}
