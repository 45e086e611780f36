// The alarms of the filter in force: first page, the rest page by page, then every change as it happens.
import { get } from "../../api.js";
import { parse } from "../../filter.js";
import { on } from "../../live.js";
import { signal } from "../../view.js";
import { AlarmBook, ROWS_MAX, asked, childrenPage, firstPage, nextPage, stays, unseenPage } from "./model.js";

const FRESH_MAX = 500;

/**
 * One feed per filter. `tick` grows whenever `book` changed; `waiting` counts what came while paused.
 * `counts` and `total` are the station's own, over all that match.
 */
export class AlarmFeed {
  constructor() {
    this.book = new AlarmBook();
    this.tick = signal(0);
    this.total = signal(0);
    this.loading = signal(true);
    this.error = signal(null);
    this.paused = signal(false);
    this.waiting = signal(0);
    this.fresh = new Set();
    this.held = new Map();
    this.open = new Set();
    this.generation = 0;
    this.stops = [on("alarm", (alarm) => this.receive(alarm)), on("reload", () => this.reload())];
  }

  stop() {
    this.generation += 1;
    for (const stop of this.stops) stop();
  }

  /** Show another filter; the old rows stay until the new ones are there. */
  async show(q, state, grouped) {
    Object.assign(this, { q, state, grouped, filter: asked(q, grouped), matches: parse(q).matches });
    this.open = new Set();
    await this.reload();
  }

  async reload() {
    this.generation += 1;
    const mine = this.generation;
    this.loading.value = true;
    try {
      for await (const page of this.pages()) {
        if (mine !== this.generation) return;
        if (page.first) this.book = new AlarmBook();
        this.book.load(page.items);
        this.changed();
      }
      this.error.value = null;
    } catch (error) {
      if (mine === this.generation) this.error.value = error;
    } finally {
      if (mine === this.generation) this.loading.value = false;
    }
  }

  /** The first page, what cleared unseen, the children of open groups, then the rest up to a bound. */
  async *pages() {
    let page = await get(firstPage(this.filter, this.state));
    this.total.value = page.total;
    let known = page.items.length;
    yield { ...page, first: true };
    if (this.state === "active") yield get(unseenPage(this.filter));
    for (const id of this.open) yield get(childrenPage(id));
    while (page.next && known < ROWS_MAX) {
      page = await get(nextPage(this.filter, this.state, page.next));
      known += page.items.length;
      yield page;
    }
  }

  /** Load the children of a root that someone opened; they stay current from then on. */
  async expand(id) {
    if (!this.grouped || this.open.has(id)) return;
    this.open.add(id);
    this.book.load((await get(childrenPage(id))).items);
    this.changed();
  }

  belongs(alarm) {
    const hidden = this.grouped && alarm.suppressed && !this.open.has(alarm.root_alarm_id);
    return !hidden && stays(alarm, this.state) && this.matches(alarm);
  }

  /** A change from the stream; many within one frame become one repaint. */
  receive(alarm) {
    if (!this.held.size && !this.paused.value) requestAnimationFrame(() => this.flush());
    this.held.set(alarm.id, alarm);
    if (this.paused.value) this.waiting.value = this.held.size;
  }

  flush() {
    if (this.paused.value || !this.held.size) return;
    const belongs = (alarm) => this.belongs(alarm);
    for (const [id, alarm] of this.held) if (!this.book.byId.has(id) && belongs(alarm)) this.remember(id);
    const before = this.book.byId.size;
    this.book.apply(this.held.values(), belongs);
    this.total.value += this.book.byId.size - before;
    this.held.clear();
    this.waiting.value = 0;
    this.changed();
  }

  /** Ids that flash once as new; only the newest few hundred matter. */
  remember(id) {
    if (this.fresh.size >= FRESH_MAX) this.fresh.clear();
    this.fresh.add(id);
  }

  pause(yes) {
    this.paused.value = yes;
    if (!yes) this.flush();
  }

  changed() {
    this.tick.value += 1;
  }
}
