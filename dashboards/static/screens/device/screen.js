// Devices: the list of all, and the way to one of them.
import { html, useSignal } from "../../view.js";
import { count, plural } from "../../format.js";
import { region } from "../../place.js";
import { Mark } from "../../marks.js";
import { Grid } from "../../table.js";
import { go } from "../../router.js";
import { Ago, Answer, Empty, lazy, useAnswer } from "../../ui.js";
import { matching, sorted } from "./model.js";

const One = lazy(async () => (await import("./one.js")).One);
const PAGE = "/api/v1/devices?limit=1000";

const COLUMNS = [
  { name: "name", title: "Name", width: "minmax(120px, 1.3fr)", view: (it) => html`<a href=${`/devices/${it.id}`}>${it.name}</a>` },
  { name: "status", title: "Status", width: "minmax(90px, .7fr)", view: (it) => html`${it.status !== "up" && html`<${Mark} tone=${it.status === "unknown" ? "normal" : "major"} /> `}${it.status}` },
  { name: "severity", title: "Worst alarm", width: "minmax(100px, .8fr)", from: 620, view: (it) => (it.severity ? html`<${Mark} tone=${it.severity} /> ${it.severity}` : html`<span class="dim">none</span>`) },
  { name: "site", title: "Site", width: "minmax(100px, 1.2fr)", from: 480, view: (it) => it.site || "–" },
  { name: "region", title: "Region", width: "minmax(80px, .8fr)", from: 980, view: (it) => it.region || "–" },
  { name: "role", title: "Role", width: "minmax(80px, .8fr)", from: 820, view: (it) => it.role || "–" },
  { name: "model", title: "Model", width: "minmax(110px, 1.2fr)", from: 900, view: (it) => [it.vendor, it.model].filter(Boolean).join(" ") || "–" },
  { name: "management_address", title: "Address", width: "minmax(110px, .9fr)", class: "mono", from: 700, view: (it) => it.management_address },
  { name: "interfaces", title: "Ports", width: "60px", class: "num", from: 760, view: (it) => count(it.interfaces) },
  { name: "last_seen_at", title: "Seen", width: "80px", from: 560, view: (it) => html`<${Ago} at=${it.last_seen_at} />` },
];

function List({ devices, total }) {
  const text = useSignal("");
  const order = useSignal({ by: "name", down: false });
  const rows = sorted(matching(devices, text.value, region.value), order.value);
  const sort = (by) => { order.value = { by, down: order.value.by === by && !order.value.down }; };
  return html`<div class="card devices"><div class="row toolbar"><input class="field grow" type="search" aria-label="Find a device" placeholder="name, address, site, model…" value=${text.value} onInput=${(e) => { text.value = e.target.value; }} />
      <span class="dim">${rows.length === devices.length ? plural(total, "device") : `${count(rows.length)} of ${plural(total, "device")}`}${total > devices.length ? `, the first ${count(devices.length)} here` : ""}</span></div>
    <${Grid} label="Devices" testid="devices-grid" columns=${COLUMNS} rows=${rows} keyOf=${(it) => it.id} chosen=${null} onChoose=${(it) => go(`/devices/${it.id}`)} sort=${order.value} onSort=${sort} />
    ${!rows.length && html`<${Empty} title="No device fits">Try fewer letters, or another region.<//>`}</div>`;
}

function All() {
  const devices = useAnswer(PAGE, ["topology"], 30_000);
  return html`<div class="all"><h1>Devices</h1><${Answer} of=${devices} rows=${12}>${(data) => (data.items.length
    ? html`<${List} devices=${data.items} total=${data.total ?? data.items.length} />`
    : html`<${Empty} title="No devices yet">Discovery finds them inside the ranges it was given.<//>`)}<//></div>`;
}

export default function Device({ url }) {
  const id = url.pathname.split("/")[2];
  return id ? html`<${One} id=${decodeURIComponent(id)} key=${id} />` : html`<${All} />`;
}
