// Ctrl+K: jump to any screen, device or site, or do anything a key does.
import { html, signal, useEffect, useRef, useSignal } from "./view.js";
import { get, target } from "./api.js";
import { bindingsNow } from "./keys.js";
import { SCREENS, go } from "./router.js";
import { Dialog } from "./ui.js";

const SEARCH_AFTER_MS = 150;
export const paletteOpen = signal(false);

const HOME = {
  device: (item) => `/devices/${item.id}`,
  site: (item) => `/alarms?${new URLSearchParams({ q: `site:${quoted(item.name)}` })}`,
  service: (item) => `/usage?service=${item.id}`,
  alarm: (item) => `/alarms?sel=${item.id}`,
  link: (item) => `/topology?sel=${item.id}`,
  entity: (item) => `/performance?entity=${item.id}`,
  interface: (item) => `/performance?entity=${item.id}`,
};

export const quoted = (text) => (/[\s"]/.test(text) ? `"${text.replaceAll('"', "")}"` : text);

function commands(text) {
  const wanted = text.toLowerCase();
  const screens = SCREENS.map((each) => ({ says: each.title, key: `g ${each.key}`, act: () => go(each.path) }));
  const acts = bindingsNow().filter(([key]) => !key.startsWith("g ")).map(([key, says, act]) => ({ says, key, act: () => act(new KeyboardEvent("keydown")) }));
  return [...screens, ...acts].filter((each) => each.says.toLowerCase().includes(wanted)).slice(0, 12);
}

async function found(text) {
  const answer = await get(target("/api/v1/search", { q: text }));
  return (answer.items || []).slice(0, 12).filter((item) => HOME[item.kind]).map((item) => ({ says: item.name, key: item.kind, act: () => go(HOME[item.kind](item)) }));
}

function useHits(text) {
  const hits = useSignal([]);
  useEffect(() => {
    if (text.length < 2) {
      hits.value = [];
      return undefined;
    }
    const timer = setTimeout(async () => {
      hits.value = await found(text).catch(() => []);
    }, SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return hits.value;
}

function Open() {
  const text = useSignal("");
  const chosen = useSignal(0);
  const list = useRef(null);
  const all = [...commands(text.value), ...useHits(text.value)];
  const at = Math.min(chosen.value, all.length - 1);
  useEffect(() => list.current?.children[at]?.scrollIntoView({ block: "nearest" }), [at]);
  const close = () => {
    paletteOpen.value = false;
  };
  const run = (item) => {
    close();
    setTimeout(item.act);
  };
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) chosen.value = (at + step + all.length) % all.length;
    else if (event.key === "Enter" && all[at]) run(all[at]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} class="palette" label="Jump to anything" data-testid="palette" onClose=${close}>
    <input class="field" role="combobox" aria-label="Search or jump" aria-expanded="true" aria-controls="palette-list" aria-activedescendant=${`hit-${at}`}
      placeholder="A screen, a device, a command…" value=${text.value} onInput=${(e) => { text.value = e.target.value; chosen.value = 0; }} onKeyDown=${press} />
    <ul id="palette-list" role="listbox" aria-label="Matches" ref=${list}>
      ${all.map((item, i) => html`<li id=${`hit-${i}`} key=${i} role="option" aria-selected=${i === at} onClick=${() => run(item)}><span class="grow clip">${item.says}</span><kbd>${item.key}</kbd></li>`)}
    </ul>
    ${!all.length && html`<p class="empty">Nothing by that name.</p>`}
  <//>`;
}

export const Palette = () => paletteOpen.value && html`<${Open} />`;
