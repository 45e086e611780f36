// Start: the screen the address names, inside the shell, on one event stream.
import { boot } from "./boot.js";
import { html, render, useEffect, useSignal } from "./view.js";
import { start } from "./live.js";
import { screen, url } from "./router.js";
import { Shell } from "./shell.js";
import { Problem, Skeleton } from "./ui.js";

/** Ids of canvas things to their place on screen, for tests that click: set by the graph that is shown. */
window.trunkline = { where: () => null };

function addStyle(name) {
  const href = `${boot.assets}screens/${name}/screen.css`;
  if ([...document.styleSheets].some((sheet) => sheet.href?.endsWith(href))) return Promise.resolve();
  return new Promise((resolve) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: resolve, onerror: resolve });
    document.head.append(link);
  });
}

async function load(name) {
  const [module] = await Promise.all([import(`./screens/${name}/screen.js`), addStyle(name)]);
  return module.default;
}

function App() {
  const shown = useSignal({ name: null, view: null, error: null });
  const { name, title } = screen.value;
  useEffect(() => {
    load(name).then(
      (view) => { shown.value = { name, view, error: null }; },
      (error) => { shown.value = { name, view: null, error }; },
    );
    document.title = `${title} · Trunkline`;
  }, [name]);
  const { view, error } = shown.value;
  const ready = shown.value.name === name;
  return html`<${Shell}><main class="screen" data-screen=${name} tabindex="-1">
    ${ready && error ? html`<${Problem} error=${error} />` : ready && view ? html`<${view} url=${url.value} />` : html`<${Skeleton} rows=${8} />`}
  </main><//>`;
}

render(html`<${App} />`, document.getElementById("app"));
start();
