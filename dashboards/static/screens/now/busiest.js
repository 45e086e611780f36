// The busiest interface of the last day, last week behind it; loaded after the rest of Now.
import { html, useMemo } from "../../view.js";
import { topPath } from "../../traffic.js";
import { Answer, Empty, useAnswer } from "../../ui.js";
import { Compared } from "../performance/compared.js";

const DAY_MS = 24 * 3_600_000;

export function Busiest() {
  const path = useMemo(() => topPath(DAY_MS, 1), []);
  const top = useAnswer(path);
  return html`<${Answer} of=${top}>${({ items }) => {
    if (!items.length) return html`<${Empty} title="Nothing measured yet">The first rates need two polls of a device.<//>`;
    const [{ entity, name }] = items;
    return html`<h3>Busiest: <a href=${`/performance?entity=${entity}&span=24h`}>${name}</a></h3><${Compared} entity=${entity} name=${name} spanMs=${DAY_MS} compare height=${190} />`;
  }}<//>`;
}
