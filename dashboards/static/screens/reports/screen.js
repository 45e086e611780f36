// Reports: the health of the alarms, the faults of a month, and what was learnt of causes.
import { html } from "../../view.js";
import { Tabs, tabOf } from "../../tabs.js";
import { lazy } from "../../ui.js";

const TABS = [["health", "Alarm health"], ["faults", "Faults"], ["causes", "Learnt causes"]];
const VIEWS = {
  health: lazy(async () => (await import("./health.js")).Health),
  faults: lazy(async () => (await import("./faults.js")).Faults),
  causes: lazy(async () => (await import("./causes.js")).Causes),
};

export default function Reports() {
  const tab = tabOf(TABS);
  return html`<div class="stack"><div class="row"><h1>Reports</h1><${Tabs} path="/reports" tabs=${TABS} label="Reports" /></div><${VIEWS[tab]} key=${tab} /></div>`;
}
