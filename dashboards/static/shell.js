// Around every screen: top bar, rail, notices, palette, help.
import { html, signal, useSignal, useEffect } from "./view.js";
import { post } from "./api.js";
import { boot } from "./boot.js";
import { bindingsNow, useKeys } from "./keys.js";
import { live, on } from "./live.js";
import { Icon } from "./marks.js";
import { Palette, paletteOpen } from "./palette.js";
import { density, nextTheme, singleKeys, theme } from "./prefs.js";
import { FreshPill } from "./fresh.js";
import { RegionPill, SpanPill } from "./place.js";
import { SCREENS, go, query, screen, setQuery } from "./router.js";
import { span } from "./format.js";
import { Dialog, Toasts, now, undoLast } from "./ui.js";

const STORY_MS = 45_000;
const helpOpen = signal(false);
const accountOpen = signal(false);

function LiveStatus() {
  const state = live.state.value;
  const age = Math.max(0, now.value - live.heardAt.value);
  const says = { live: `live · ${span(live.lagMs.value)}`, connecting: "connecting…", stale: `stale · ${span(age)}`, lost: `reconnecting · ${live.retries.value}` }[state];
  return html`<span class="pill" data-testid="live-status" data-live=${state} data-age-ms=${age} data-seq=${live.seq.value} data-by=${live.by.value}>${says}</span>`;
}

function Bar() {
  return html`<header class="bar">
    <a class="brand" href="/" aria-label="Trunkline, Now"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1 1h6v7H1zM7 8h6v6H9v-3H7z" /></svg><span class="only-wide">Trunkline</span></a>
    ${boot.simulated && html`<span class="pill sim" data-testid="sim-banner">SIMULATED<span class="only-wide"> NETWORK</span></span>`}
    <${RegionPill} /><${SpanPill} />
    <span class="grow" />
    <button class="pill" onClick=${() => { paletteOpen.value = true; }} aria-label="Search or jump">Search<span class="only-wide"> or jump…</span> <kbd class="only-wide">Ctrl K</kbd></button>
    <${FreshPill} /><${LiveStatus} />
    <button class="pill only-wide" onClick=${nextTheme} title="Change the theme">${theme.value}</button>
    <button class="pill" onClick=${() => { accountOpen.value = true; }}>${boot.user}<span class="only-wide dim">· ${boot.role}</span></button>
  </header>`;
}

function Rail() {
  const current = screen.value;
  return html`<nav class="rail" aria-label="Screens">
    ${SCREENS.filter((each) => !each.quiet).map(
      (each) => html`<a href=${each.path} aria-label=${each.title} title=${`${each.title} (g ${each.key})`} aria-current=${each === current ? "page" : undefined}><${Icon} name=${each.name} /></a>`,
    )}
  </nav>`;
}

function Notices() {
  const story = useSignal(null);
  const jobs = useSignal({});
  useEffect(() => {
    const stops = [
      on("story", (data) => {
        story.value = data;
        setTimeout(() => { if (story.value === data) story.value = null; }, STORY_MS);
      }),
      on("progress", (job) => {
        const { [job.id]: _, ...others } = jobs.value;
        jobs.value = job.done >= job.total ? others : { ...others, [job.id]: job };
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);
  const state = live.state.value;
  return html`<div class="notice" aria-live="polite">
    ${(state === "stale" || state === "lost") && html`<div class="stale">Nothing heard from the station for ${span(now.value - live.heardAt.value)}. What you see is as old as that; the page reconnects by itself.</div>`}
    ${story.value?.text && html`<div class="story" data-testid="story"><b>Story</b><span class="grow">${story.value.text}</span><button class="btn small bare" aria-label="Dismiss" onClick=${() => { story.value = null; }}>✕</button></div>`}
    ${Object.values(jobs.value).map(
      (job) => html`<div key=${job.id} data-testid="progress"><b>${job.title}</b><progress max=${job.total} value=${job.done} aria-label=${job.title} /><span class="dim">${job.text}</span></div>`,
    )}
  </div>`;
}

function Help() {
  const close = () => { helpOpen.value = false; };
  return html`<${Dialog} class="help" label="Keys" onClose=${close}><div class="inside">
    <h2>Keys</h2>
    <dl>${bindingsNow().map(([key, says]) => html`<dt><kbd>${key}</kbd></dt><dd>${says}</dd>`)}</dl>
    <footer><button class="btn" onClick=${close}>Close</button></footer>
  </div><//>`;
}

const choice = (value, options) => html`<span class="row">${options.map((each) => html`<button class="btn small" aria-pressed=${value.value === each} onClick=${() => { value.value = each; }}>${each}</button>`)}</span>`;

function Account() {
  const close = () => { accountOpen.value = false; };
  const leave = async () => {
    await post("/logout").catch(() => null);
    location.assign("/login");
  };
  return html`<${Dialog} label="You and this browser" onClose=${close}><div class="inside">
    <h2>${boot.user} <span class="chip">${boot.role}</span></h2>
    <dl class="facts">
      <dt>Theme</dt><dd>${choice(theme, ["dark", "light", "contrast"])}</dd>
      <dt>Rows</dt><dd>${choice(density, ["dense", "comfortable"])}</dd>
      <dt>Single keys</dt><dd>${choice(singleKeys, ["on", "off"])}</dd>
      <dt>Version</dt><dd>${boot.version} · <a href="/api" onClick=${close}>API</a></dd>
    </dl>
    <footer><button class="btn" onClick=${leave}>Sign out</button><button class="btn primary" onClick=${close}>Done</button></footer>
  </div><//>`;
}

const KIOSK = ["/", "/alarms", "/topology", "/performance"];
const KIOSK_EVERY_MS = 30_000;

/** For a wall: `?kiosk=1` hides bar and rail and goes round the screens; Esc or f ends it. */
function useKiosk() {
  const on = query.value.has("kiosk");
  const flip = () => setQuery({ kiosk: on ? null : "1" });
  useKeys({ f: ["Kiosk: go round the screens without frame", flip], ...(on && { Escape: ["End the kiosk", flip] }) });
  useEffect(() => {
    if (!on) return undefined;
    const turning = setInterval(() => go(KIOSK[(KIOSK.indexOf(screen.value.path) + 1) % KIOSK.length]), KIOSK_EVERY_MS);
    return () => clearInterval(turning);
  }, [on]);
  return on;
}

export function Shell({ children }) {
  const kiosk = useKiosk();
  const jumps = Object.fromEntries(SCREENS.map((each) => [`g ${each.key}`, [`Go to ${each.title}`, () => go(each.path)]]));
  useKeys({
    ...jumps,
    "Ctrl+k": ["Search or jump", () => { paletteOpen.value = true; }],
    "?": ["All keys", () => { helpOpen.value = true; }],
    "z": ["Undo the last act", undoLast],
    "T": ["Next theme", nextTheme],
  });
  const stale = live.state.value === "stale" || live.state.value === "lost";
  return html`<div class=${`shell${stale ? " is-stale" : ""}${kiosk ? " kiosk" : ""}`}>
    <${Bar} /><${Rail} /><${Notices} />
    ${children}
    <${Toasts} /><${Palette} />
    ${helpOpen.value && html`<${Help} />`}
    ${accountOpen.value && html`<${Account} />`}
  </div>`;
}
