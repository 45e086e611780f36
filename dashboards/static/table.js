// A grid of any length: only the rows in view are in the page, and the row being read does not move when others come.
import { html, useEffect, useLayoutEffect, useRef, useSignal } from "./view.js";

const OVERSCAN = 6;

const rowHeight = () => Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue("--row"), 10) || 28;

/** Follow the scroll position and size of an element. */
function useViewport(element) {
  const view = useSignal({ top: 0, height: 0, width: 1200, row: rowHeight() });
  useEffect(() => {
    const measure = () => {
      if (!element.current) return;
      view.value = { top: element.current.scrollTop, height: element.current.clientHeight, width: element.current.clientWidth, row: rowHeight() };
    };
    const watcher = new ResizeObserver(measure);
    watcher.observe(element.current);
    element.current.addEventListener("scroll", measure, { passive: true });
    return () => watcher.disconnect();
  }, []);
  return view;
}

/** Keep the chosen row (else the first in view) where it is when rows come or go above it. */
function useAnchor(element, rows, keyOf, chosen, row) {
  const anchor = useRef(null);
  useLayoutEffect(() => {
    const { current: frame } = element;
    const held = anchor.current;
    if (held && held.rows !== rows) {
      const at = rows.findIndex((each) => keyOf(each) === held.key);
      if (at >= 0) frame.scrollTop = at * row - held.offset;
    }
  }, [rows]);
  useLayoutEffect(() => {
    const top = element.current.scrollTop;
    const at = rows.findIndex((each) => keyOf(each) === chosen);
    const seen = at >= 0 && at * row >= top - row && at * row < top + element.current.clientHeight;
    const first = seen ? at : top > 0 ? Math.floor(top / row) : -1;
    anchor.current = first >= 0 && rows[first] ? { rows, key: keyOf(rows[first]), offset: first * row - top } : null;
  });
}

/** Scroll just enough that the chosen row is in view when the choice changes. */
function useReveal(element, rows, keyOf, chosen, row) {
  useEffect(() => {
    const at = chosen === null ? -1 : rows.findIndex((each) => keyOf(each) === chosen);
    const frame = element.current;
    if (at < 0) return;
    if (at * row < frame.scrollTop) frame.scrollTop = at * row;
    else if ((at + 1) * row > frame.scrollTop + frame.clientHeight) frame.scrollTop = (at + 1) * row - frame.clientHeight;
  }, [chosen]);
}

/**
 * A column shows from a grid width of `from` pixels.
 * @param {{columns: {name: string, title: string, width: string, view: (row: any) => any, class?: string, from?: number}[], rows: any[], keyOf: (row: any) => string,
 *   chosen: string|null, onChoose: (row: any) => void, rowProps?: (row: any) => object, total?: number, label: string, testid?: string}} props
 */
export function Grid({ columns: all, rows, keyOf, chosen, onChoose, rowProps = () => ({}), total, label, testid, multi = false, sort, onSort }) {
  const element = useRef(null);
  const view = useViewport(element);
  const { top, height, width, row } = view.value;
  const columns = all.filter((column) => width >= (column.from || 0));
  useAnchor(element, rows, keyOf, chosen, row);
  useReveal(element, rows, keyOf, chosen, row);
  const first = Math.max(0, Math.floor(top / row) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((top + height) / row) + OVERSCAN);
  const template = columns.map((column) => column.width).join(" ");
  const idOf = (each) => `row-${keyOf(each)}`;
  const inView = rows.slice(first, last);
  const active = inView.some((each) => keyOf(each) === chosen) ? `row-${chosen}` : undefined;
  return html`<div class="grid" role="grid" aria-label=${label} aria-rowcount=${(total ?? rows.length) + 1} aria-multiselectable=${multi ? "true" : undefined}
    aria-activedescendant=${active} tabindex="0" data-testid=${testid}>
    <div role="rowgroup"><div class="grid-head" role="row" aria-rowindex="1" style=${{ gridTemplateColumns: template }}>
      ${columns.map((column) => html`<span role="columnheader" class=${column.class} data-column=${column.name} aria-sort=${sort?.by === column.name ? (sort.down ? "descending" : "ascending") : undefined}>${onSort ? html`<button class="sort" tabindex="-1" onClick=${() => onSort(column.name)}>${column.title}${sort.by === column.name ? (sort.down ? " ▾" : " ▴") : ""}</button>` : column.title}</span>`)}
    </div></div>
    <div class="grid-body" role="rowgroup" ref=${element}>
      <div class="grid-space" role="presentation" style=${{ height: `${rows.length * row}px` }}>
        ${inView.map(
          (each, i) => html`<div key=${keyOf(each)} id=${idOf(each)} class="grid-row" role="row" aria-rowindex=${first + i + 2} aria-selected=${keyOf(each) === chosen}
            style=${{ gridTemplateColumns: template, transform: `translateY(${(first + i) * row}px)` }} onClick=${() => onChoose(each)} ...${rowProps(each)}>
            ${columns.map((column) => html`<span role="gridcell" class=${column.class} data-column=${column.name}>${column.view(each)}</span>`)}
          </div>`,
        )}
      </div>
    </div>
  </div>`;
}
