// The neighbourhood of an alarm on a small map.
import { html, useMemo } from "../../view.js";
import { GraphCanvas } from "../../graph.js";
import { around } from "../../graph_model.js";
import { go } from "../../router.js";
import { tonesOf } from "../../tones.js";
import { Answer, useAnswer } from "../../ui.js";

const HOPS = 2;

function Map2({ topology, alarm }) {
  const here = alarm.resource_kind === "link" ? alarm.resource_id : alarm.device_id;
  const near = useMemo(() => around(topology, here, HOPS), [topology, here]);
  const tones = useMemo(() => tonesOf(near, [alarm]), [near, alarm]);
  const pick = (found) => go(`/topology?sel=${found ? found.thing.id : here}`);
  return html`<${GraphCanvas} topology=${near} tones=${tones} chosen=${here} sites=${false} margin=${26} onPick=${pick} label=${`Neighbourhood of ${alarm.device || alarm.object}: ${near.nodes.map((node) => node.name).join(", ")}`} />`;
}

export function Around({ alarm }) {
  const topology = useAnswer("/api/v1/topology", ["topology"]);
  return html`<section class="card around"><header><h2>Around this node</h2><span class="grow" /><a href=${`/topology?sel=${alarm.device_id || alarm.resource_id}`}>map</a></header>
    <${Answer} of=${topology}>${(data) => html`<${Map2} topology=${data} alarm=${alarm} />`}<//></section>`;
}
