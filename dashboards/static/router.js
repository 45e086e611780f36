// Which screen the address names; moving between screens keeps the page and its event stream.
import { computed, signal } from "./view.js";

export const SCREENS = [
  { name: "now", path: "/", title: "Now", key: "n" },
  { name: "alarms", path: "/alarms", title: "Alarms", key: "a" },
  { name: "topology", path: "/topology", title: "Topology", key: "t" },
  { name: "performance", path: "/performance", title: "Performance", key: "p" },
  { name: "flow", path: "/flow", title: "Flow", key: "f" },
  { name: "device", path: "/devices", title: "Devices", key: "i" },
  { name: "services", path: "/services", title: "Services", key: "l" },
  { name: "usage", path: "/usage", title: "Usage", key: "b" },
  { name: "customers", path: "/customers", title: "Customers", key: "u" },
  { name: "notify", path: "/notify", title: "Notify", key: "w" },
  { name: "reports", path: "/reports", title: "Reports", key: "r" },
  { name: "api", path: "/api", title: "API", key: "h", quiet: true },
];

const address = signal(location.pathname + location.search);
export const url = computed(() => new URL(address.value, location.origin));
export const query = computed(() => url.value.searchParams);
export const screen = computed(() => screenOf(url.value.pathname));

/** The screen of a path; a longer path belongs to the screen it starts with (`/devices/ID`). */
export function screenOf(path) {
  return SCREENS.find((each) => each.path !== "/" && (path === each.path || path.startsWith(`${each.path}/`))) || SCREENS[0];
}

const KEPT = ["region", "span", "kiosk"];

function show(to, replace) {
  if (to === address.value) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  address.value = to;
}

/** Another place in the console; region, span and kiosk go along unless it names its own. */
export function go(to, { replace = false } = {}) {
  const next = new URL(to, location.origin);
  for (const name of KEPT) if (query.value.has(name) && !next.searchParams.has(name)) next.searchParams.set(name, query.value.get(name));
  show(next.pathname + next.search, replace);
}

/** The same screen with some of its query changed: what a person sees can be pasted into a ticket. */
export function setQuery(changes, { replace = true } = {}) {
  const next = new URL(url.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) next.searchParams.delete(name);
    else next.searchParams.set(name, value);
  }
  show(next.pathname + next.search, replace);
}

addEventListener("popstate", () => {
  address.value = location.pathname + location.search;
});

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target || link.hasAttribute("download")) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || !isScreen(to.pathname)) return;
  event.preventDefault();
  go(to.pathname + to.search);
});

const isScreen = (path) => path === "/" || SCREENS.some((each) => each.path !== "/" && (path === each.path || path.startsWith(`${each.path}/`))) && !/\.(pdf|csv|json)$/.test(path);
