// Alarms: the list a shift works from.
import { html, useEffect, useMemo, useRef, useSignal } from "../../view.js";
import { parse } from "../../filter.js";
import { count, heardOf, plural, title } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Kpis, useSummary } from "../../kpis.js";
import { Mark } from "../../marks.js";
import { regionFilter } from "../../place.js";
import { query, setQuery } from "../../router.js";
import { toneOf } from "../../severity.js";
import { Grid } from "../../table.js";
import { Empty, Problem, Skeleton, Time, toastProblem, useAnswer } from "../../ui.js";
import { act } from "./acts.js";
import { Comment, Shelve, Sure } from "./dialogs.js";
import { Drawer, NoChoice } from "./drawer.js";
import { AlarmFeed } from "./feed.js";
import { acked, rateOf, rowsOf, shelvedIn } from "./model.js";

const TYPED_MS = 250;
const QUIET_EVERY_MS = 10_000;

const OWNER = { name: "owner", title: "Owner", width: "minmax(66px, .6fr)", from: 700, view: ({ alarm }) => (acked(alarm) ? alarm.ack_user : "unacked") };
const SHELF = { name: "shelf", title: "Shelved until", width: "minmax(150px, 1.4fr)", from: 480, view: ({ alarm }) => alarm.shelved && html`<span title=${`${alarm.shelved.owner}: ${alarm.shelved.reason}`}><${Time} at=${alarm.shelved.until} /> ${alarm.shelved.owner}</span>` };

const columnsOf = (toggle, picked, pick, rootOf, shelved) => [
  { name: "pick", title: "", width: "26px", from: 560, view: ({ alarm }) => html`<input type="checkbox" aria-label=${`Select ${alarm.device} ${alarm.object}`} checked=${picked.has(alarm.id)} onClick=${(e) => { e.stopPropagation(); pick(alarm.id); }} />` },
  { name: "severity", title: "Severity", width: "minmax(104px, .8fr)", view: ({ alarm, depth }) => html`${depth > 0 && html`<i class="branch" aria-hidden="true" />`}<${Mark} tone=${toneOf(alarm)} /> ${alarm.is_cleared ? "Cleared" : title(alarm.perceived_severity)}` },
  { name: "raised", title: "Raised", width: "88px", from: 480, view: ({ alarm }) => html`<${Time} at=${alarm.raised_at} />` },
  { name: "device", title: "Node", width: "minmax(90px, 1fr)", view: ({ alarm }) => alarm.device || "–" },
  { name: "object", title: "Object", width: "minmax(70px, .8fr)", class: "mono", from: 640, view: ({ alarm }) => alarm.object || "–" },
  { name: "problem", title: "Problem", width: "minmax(140px, 3fr)", view: (row) => html`${row.children > 0 && html`<button class="chip" tabindex="-1" aria-expanded=${row.open ? "true" : "false"} onClick=${(e) => { e.stopPropagation(); toggle(row.alarm.id); }}>${row.open ? "▾" : "▸"} ${rootOf(row.alarm) || "root"} +${count(row.children)}</button> `}${row.alarm.text || row.alarm.alarm_type}` },
  { name: "site", title: "Site", width: "minmax(80px, 1fr)", from: 900, view: ({ alarm }) => alarm.site || "–" },
  { name: "count", title: "Count", width: "52px", from: 760, class: "num", view: ({ alarm }) => `×${count(alarm.count)}` },
  { name: "impact", title: "Impact", width: "minmax(72px, .7fr)", from: 820, view: ({ alarm }) => (alarm.impact?.services ? html`<span title=${`${plural(alarm.impact.services, "service")}, ${plural(alarm.impact.customers, "customer")}`}>${count(alarm.impact.services)} svc</span>` : "–") },
  shelved ? SHELF : OWNER,
];

const chosenNow = () => query.value.get("sel");
const stateOf = (alarm) => (alarm.is_cleared ? "cleared" : acked(alarm) ? "acknowledged" : "active");

function FilterLine({ q, error }) {
  const input = useRef(null);
  const timer = useRef(0);
  useKeys({ "/": ["Filter", () => input.current.focus()] });
  const typed = (event) => {
    clearTimeout(timer.current);
    const text = event.target.value;
    timer.current = setTimeout(() => setQuery({ q: text.trim() }), TYPED_MS);
  };
  const press = (event) => {
    if (event.key === "Enter" || event.key === "Escape") document.querySelector("[data-testid=alarms-grid]")?.focus();
  };
  return html`<input ref=${input} class="field grow" type="search" aria-label="Filter" aria-invalid=${error ? "true" : "false"} title=${error || ""} placeholder="severity>=major site:Berlin* -shelved   ( / to focus )"
    spellcheck="false" autocomplete="off" value=${q} onInput=${typed} onKeyDown=${press} />`;
}

function Toolbar({ feed, shelved, under, grouped, q, shownShelved, suppressed, error }) {
  return html`<div class="row toolbar">
    <${FilterLine} q=${q} error=${error} />
    <button class="btn" aria-pressed=${grouped ? "true" : "false"} onClick=${() => setQuery({ group: grouped ? "none" : null })}>${grouped ? "Group: root cause" : "Group: none"}</button>
    <button class="btn" aria-pressed=${shelved ? "true" : "false"} onClick=${() => setQuery({ shelved: shelved ? null : "1", suppressed: null })}>Shelved ${count(shownShelved)}</button>
    <button class="btn" aria-pressed=${under ? "true" : "false"} title="Children of roots, noise, and what planned work covers" onClick=${() => setQuery({ suppressed: under ? null : "1", shelved: null })}>Under roots ${count(suppressed)}</button>
    <button class="btn" aria-pressed=${feed.paused.value ? "true" : "false"} onClick=${() => feed.pause(!feed.paused.value)}>${feed.paused.value ? `${count(feed.waiting.value)} new` : "Pause"} <kbd>p</kbd></button>
  </div>`;
}

function BulkBar({ picked, everything, feed, ask, clear }) {
  const whom = everything ? `All ${plural(feed.total.value, "alarm")} that match` : `${plural(picked.size, "alarm")} selected`;
  return html`<div class="row bulk" role="toolbar" aria-label="Selected alarms" data-testid="bulk-bar">
    <b class="grow">${whom}</b>
    ${!everything && html`<button class="btn small" onClick=${() => ask("everything")}>Select all ${count(feed.total.value)} matching <kbd>*</kbd></button>`}
    <button class="btn small primary" onClick=${() => ask("acknowledge")}>Acknowledge <kbd>a</kbd></button>
    <button class="btn small" onClick=${() => ask("shelve")}>Shelve <kbd>s</kbd></button>
    <button class="btn small" onClick=${() => ask("comment")}>Comment <kbd>c</kbd></button>
    <button class="btn small" onClick=${() => ask("clear")}>Clear <kbd>C</kbd></button>
    <button class="btn small bare" onClick=${clear} aria-label="Nothing selected">✕</button>
  </div>`;
}

function Nothing({ feed, q, shelved }) {
  if (feed.error.value) return html`<${Problem} error=${feed.error.value} retry=${() => feed.reload()} />`;
  if (feed.loading.value) return html`<${Skeleton} rows=${12} />`;
  if (q) return html`<${Empty} title="No alarm matches">Nothing fits <code>${q}</code>. <button class="btn small" onClick=${() => setQuery({ q: "" })}>Clear the filter</button><//>`;
  if (shelved) return html`<${Empty} title="Nothing is shelved">Alarms that somebody put aside for a while are listed here.<//>`;
  return html`<${Quiet} />`;
}

function Quiet() {
  const { data } = useAnswer("/api/v1/now", [], QUIET_EVERY_MS);
  return html`<${Empty} title="0 alarms">${heardOf(data?.freshness) || "The network is quiet."}<//>`;
}

/** The keys of the list. `chosen()` asks the address: a key may come before the choice of the last one is painted. */
function useListKeys({ rows, chosen, choose, open, toggle, feed, pick, ask }) {
  const move = (step) => () => {
    const at = rows.findIndex((row) => row.alarm.id === chosen());
    const row = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))];
    if (row) choose(row.alarm.id);
  };
  useKeys({
    j: ["Next alarm", move(1)], ArrowDown: ["Next alarm", move(1)], k: ["Previous alarm", move(-1)], ArrowUp: ["Previous alarm", move(-1)],
    PageDown: ["A page down", move(20)], PageUp: ["A page up", move(-20)], Home: ["First alarm", move(-rows.length)], End: ["Last alarm", move(rows.length)],
    Enter: ["Open", () => chosen() && open(chosen())], Escape: ["Close, or select nothing", () => ask("leave")],
    e: ["Expand the group", () => chosen() && toggle(chosen())], x: ["Select", () => chosen() && pick(chosen())], "*": ["Select all that match", () => ask("everything")],
    a: ["Acknowledge", () => ask("acknowledge")], u: ["Give back (unacknowledge)", () => ask("unacknowledge")], s: ["Shelve", () => ask("shelve")],
    c: ["Comment", () => ask("comment")], C: ["Clear", () => ask("clear")], p: ["Pause or go on", () => feed.pause(!feed.paused.value)],
  });
}

const flipped = (set, value) => {
  const next = new Set(set);
  if (!next.delete(value)) next.add(value);
  return next;
};

/** Whom an act concerns: all that match, the selected, or the chosen one. */
function whomOf({ everything, picked, chosen, feed }) {
  if (everything) return { filter: feed.filter, count: feed.total.value };
  const ids = picked.size ? [...picked] : chosen ? [chosen] : [];
  return { ids };
}

function useFeed(q, state, grouped) {
  const feed = useMemo(() => new AlarmFeed(), []);
  useEffect(() => () => feed.stop(), []);
  useEffect(() => { feed.show(q, state, grouped); }, [q, state, grouped]);
  return feed;
}

/** The name of what an incident is about, where its alarm does not say it: a site, a link, a device. */
function useRoots() {
  const incidents = useAnswer("/api/v1/incidents?state=open&limit=1000", ["incident"]);
  return useMemo(() => {
    const named = new Map((incidents.data?.items || []).map((it) => [it.id, it.root]));
    return (alarm) => {
      const root = named.get(alarm.incident_id);
      return root && !root.name.includes(alarm.device) ? root.name : "";
    };
  }, [incidents.data]);
}

function Flood({ summary, rows }) {
  const { rate, flood } = rateOf(summary);
  if (!flood) return null;
  return html`<p class="flood card" role="status"><b>Flood</b> ${count(rate)} alarms in ten minutes, ${plural(rows.filter((row) => row.depth === 0 && !row.alarm.is_cleared).length, "root cause")} shown; the others are under them.</p>`;
}

export default function Alarms({ url }) {
  const q = url.searchParams.get("q") || "";
  const chosen = url.searchParams.get("sel");
  const state = url.searchParams.get("state") || "active";
  const shelved = url.searchParams.has("shelved");
  const under = url.searchParams.has("suppressed");
  const grouped = url.searchParams.get("group") !== "none" && !under;
  const feed = useFeed([q, regionFilter(), under && "suppressed"].filter(Boolean).join(" "), state, grouped);
  const expanded = useSignal(new Set());
  const picked = useSignal(new Set());
  const everything = useSignal(false);
  const asking = useSignal(null);
  const summary = useSummary();
  const { tick } = feed;
  const rows = useMemo(
    () => rowsOf(feed.book, { grouped, shelved, expanded: expanded.value }).map((row) => ({ ...row, open: expanded.value.has(row.alarm.id) })),
    [tick.value, grouped, shelved, expanded.value],
  );
  const choose = (id) => setQuery({ sel: id });
  const toggle = (id) => { expanded.value = flipped(expanded.value, id); feed.expand(id).catch(toastProblem); };
  const pick = (id) => { everything.value = false; picked.value = flipped(picked.value, id); };
  const clear = () => { picked.value = new Set(); everything.value = false; };
  const ask = (what) => {
    const them = whomOf({ everything: everything.value, picked: picked.value, chosen: chosenNow(), feed });
    if (what === "everything") everything.value = true;
    else if (what === "leave") return picked.value.size || everything.value ? clear() : choose(null);
    else if (!them.ids?.length && them.filter === undefined) return undefined;
    else if (them.ids && (what === "acknowledge" || what === "unacknowledge")) return act(what, them).then((done) => done && clear());
    else asking.value = { what, them };
    return undefined;
  };
  useListKeys({ rows, chosen: chosenNow, choose, open: choose, toggle, feed, pick, ask });
  const rootOf = useRoots();
  const columns = useMemo(() => columnsOf(toggle, picked.value, pick, rootOf, shelved), [picked.value, rootOf, shelved]);
  const Asked = { shelve: Shelve, comment: Comment, clear: Sure, acknowledge: Sure }[asking.value?.what];
  const rowProps = ({ alarm, depth }) => ({
    "data-testid": "alarm-row", "data-alarm-id": alarm.id, "data-severity": alarm.perceived_severity, "data-state": stateOf(alarm), "data-depth": depth,
    "data-fresh": feed.fresh.has(alarm.id) ? "" : undefined, "aria-level": undefined,
  });
  return html`<div class="alarms" data-chosen=${chosen ? "" : undefined}>
    <${Kpis} summary=${summary} />
    <div class="list card">
      <${Toolbar} feed=${feed} grouped=${grouped} shelved=${shelved} under=${under} q=${q} shownShelved=${summary?.shelved ?? shelvedIn(feed.book)} suppressed=${summary?.suppressed ?? 0} error=${parse(q).error} />
      <${Flood} summary=${summary} rows=${rows} />
      ${(picked.value.size > 0 || everything.value) && html`<${BulkBar} picked=${picked.value} everything=${everything.value} feed=${feed} ask=${ask} clear=${clear} />`}
      <${Grid} label="Alarms" testid="alarms-grid" columns=${columns} rows=${rows} keyOf=${(row) => row.alarm.id} chosen=${chosen} total=${rows.length} multi
        onChoose=${(row) => choose(row.alarm.id)} rowProps=${rowProps} />
      ${!rows.length && html`<${Nothing} feed=${feed} q=${q} shelved=${shelved} />`}
      <p class="foot dim">${q ? `Shows ${plural(feed.total.value, "alarm")} that match` : plural(feed.total.value, "alarm")} in ${plural(rows.length, "row")}${summary?.suppressed ? ` · ${count(summary.suppressed)} more under a root or put aside as noise` : ""}${feed.loading.value ? ` · loading, ${count(feed.book.byId.size)} so far` : ""}</p>
    </div>
    ${chosen ? html`<${Drawer} id=${chosen} ask=${ask} acknowledge=${([alarm]) => ask(acked(alarm) ? "unacknowledge" : "acknowledge")} onClose=${() => choose(null)} />` : html`<${NoChoice} />`}
    ${Asked && html`<${Asked} them=${asking.value.them} action=${asking.value.what} onClose=${() => { asking.value = null; clear(); }} />`}
  </div>`;
}
