// A network on a canvas: pan, zoom, click, walk by keyboard. It paints only when something changed.
import { html, useEffect, useMemo, useRef } from "./view.js";
import { bounds, neighbourTowards, pick, placed } from "./graph_model.js";
import { paint } from "./graph_paint.js";
import { theme } from "./prefs.js";

const PICK_PX = 14;
const ZOOM_MIN = 0.5;
const ZOOM_MAX = 24;
const MANY = 1200; // nodes and links; beyond, a picture that is moved stands in for the map until the hand rests
const REST_MS = 120;
const NEAR_PX = 60; // between nodes, when one is searched for
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Graph {
  constructor(canvas, { margin = 56, sites = true, onPick = () => {}, onHover = () => {} }) {
    this.canvas = canvas;
    this.ctx = canvas.getContext("2d");
    this.margin = margin;
    this.onPick = onPick;
    this.onHover = onHover;
    this.view = { x: 0, y: 0, scale: 1, fitted: 1, tones: new Map(), chosen: null, hovered: null, focused: null, sites, strong: !sites, screen: (point) => this.toScreen(point) };
    this.graph = { sites: [], nodes: [], links: [], byId: new Map(), boxes: [], spacing: 1 };
    this.moved = false;
    this.queued = 0;
    this.pointers = new Map();
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(canvas);
    this.resize();
    for (const [name, act] of Object.entries({ pointerdown: this.down, pointermove: this.move, pointerup: this.up, pointercancel: this.up, keydown: this.key, dblclick: (e) => this.zoom(2, e.offsetX, e.offsetY) })) canvas.addEventListener(name, act.bind(this));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  stop() {
    clearTimeout(this.resting);
    this.watcher.disconnect();
    cancelAnimationFrame(this.queued);
  }

  set(topology) {
    this.graph = placed(topology);
    const { width, height } = bounds(this.graph.nodes);
    this.graph.spacing = Math.sqrt((width * height) / Math.max(1, this.graph.nodes.length));
    const members = Map.groupBy ? Map.groupBy(this.graph.nodes, (node) => node.site_id) : new Map();
    this.graph.boxes = this.graph.sites.filter((site) => members.get(site.id)?.length > 1).map((site) => [site, bounds(members.get(site.id))]);
    if (!this.moved) this.fit();
    this.paintSoon();
  }

  show({ tones, chosen }) {
    Object.assign(this.view, { tones, chosen });
    this.paintSoon();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = devicePixelRatio || 1;
    Object.assign(this, { width, height });
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (!this.moved) this.fit();
    this.paintSoon();
  }

  fit() {
    const box = bounds(this.graph.nodes);
    const scale = Math.min((this.width - 2 * this.margin) / box.width, (this.height - 2 * this.margin) / box.height);
    this.view.scale = this.view.fitted = scale > 0 ? scale : 1;
    this.view.x = this.width / 2 - (box.x + box.width / 2) * this.view.scale;
    this.view.y = this.height / 2 - (box.y + box.height / 2) * this.view.scale;
    this.moved = false;
    this.paintSoon();
  }

  toScreen({ x, y }) {
    return { x: x * this.view.scale + this.view.x, y: y * this.view.scale + this.view.y };
  }

  /** Bring a node, or the middle of a link, into the middle of the view, near enough to read names. */
  goTo(id) {
    const at = this.worldOf(id);
    if (!at) return;
    const scale = Math.max(this.view.scale, Math.min(this.view.fitted * ZOOM_MAX, NEAR_PX / this.graph.spacing));
    Object.assign(this.view, { scale, x: this.width / 2 - at.x * scale, y: this.height / 2 - at.y * scale });
    this.moved = true;
    this.paintSoon();
  }

  worldOf(id) {
    const line = this.graph.byId.has(id) ? null : this.graph.links.find((each) => each.id === id);
    return this.graph.byId.get(id) || (line && { x: (line.from.x + line.to.x) / 2, y: (line.from.y + line.to.y) / 2 });
  }

  /** The place of a node, or of a link's middle, in the page. */
  where(id) {
    const there = this.worldOf(id);
    if (!there) return null;
    const box = this.canvas.getBoundingClientRect();
    const at = this.toScreen(there);
    return { x: box.left + at.x, y: box.top + at.y };
  }

  at(event) {
    const px = 1 / this.view.scale;
    return pick(this.graph, (event.offsetX - this.view.x) * px, (event.offsetY - this.view.y) * px, PICK_PX * px, px);
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY, fromX: event.offsetX, fromY: event.offsetY });
  }

  move(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held) return this.hover(event);
    const others = [...this.pointers.values()].filter((each) => each !== held);
    if (others.length) {
      const before = Math.hypot(held.x - others[0].x, held.y - others[0].y) || 1;
      this.zoom(Math.hypot(event.offsetX - others[0].x, event.offsetY - others[0].y) / before, others[0].x, others[0].y);
    } else {
      this.view.x += event.offsetX - held.x;
      this.view.y += event.offsetY - held.y;
      this.moved = true;
    }
    Object.assign(held, { x: event.offsetX, y: event.offsetY });
    return this.moveSoon();
  }

  hover(event) {
    const found = this.at(event);
    this.canvas.style.cursor = found ? "pointer" : "grab";
    if (this.view.hovered !== (found?.thing.id ?? null)) {
      this.view.hovered = found?.thing.id ?? null;
      this.onHover(found);
      this.paintSoon();
    }
  }

  up(event) {
    const held = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (held && Math.hypot(event.offsetX - held.fromX, event.offsetY - held.fromY) < 5) this.onPick(this.at(event));
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const scale = Math.max(this.view.fitted * ZOOM_MIN, Math.min(this.view.fitted * ZOOM_MAX, this.view.scale * by));
    const ratio = scale / this.view.scale;
    Object.assign(this.view, { scale, x: x - (x - this.view.x) * ratio, y: y - (y - this.view.y) * ratio });
    this.moved = true;
    this.moveSoon();
  }

  key(event) {
    const { graph, view } = this;
    const from = graph.byId.get(view.focused) || graph.byId.get(view.chosen) || graph.nodes[0];
    if (ARROWS[event.key] && from) view.focused = (view.focused ? neighbourTowards(graph, from, ...ARROWS[event.key]) || from : from).id;
    else if (event.key === "Enter" && graph.byId.has(view.focused)) this.onPick({ kind: "node", thing: graph.byId.get(view.focused) });
    else if (event.key === "+") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.paintSoon();
  }

  paintSoon() {
    cancelAnimationFrame(this.queued);
    clearTimeout(this.resting);
    this.queued = requestAnimationFrame(() => this.paintNow());
  }

  /** While a large map is dragged or zoomed: its last picture, moved; painted whole once it rests. */
  moveSoon() {
    if (!this.shot || this.graph.nodes.length + this.graph.links.length < MANY) return this.paintSoon();
    cancelAnimationFrame(this.queued);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.paintSoon(), REST_MS);
    this.queued = requestAnimationFrame(() => {
      const { x, y, scale, picture } = this.shot;
      const by = this.view.scale / scale;
      this.ctx.clearRect(0, 0, this.width, this.height);
      this.ctx.drawImage(picture, this.view.x - x * by, this.view.y - y * by, this.width * by, this.height * by);
    });
    return undefined;
  }

  paintNow() {
    const drawn = paint(this.ctx, this.graph, this.view, this.width, this.height);
    Object.assign(this.canvas.dataset, { ready: "true", nodes: this.graph.nodes.length, links: this.graph.links.length, drawn });
    if (this.graph.nodes.length + this.graph.links.length >= MANY && this.canvas.width) this.keep();
  }

  keep() {
    const { width, height } = this.canvas;
    const picture = this.shot?.picture || document.createElement("canvas");
    if (picture.width !== width || picture.height !== height) Object.assign(picture, { width, height });
    else picture.getContext("2d").clearRect(0, 0, width, height);
    picture.getContext("2d").drawImage(this.canvas, 0, 0);
    this.shot = { picture, x: this.view.x, y: this.view.y, scale: this.view.scale };
  }
}

/** @param {{topology: any, tones: Map<string, string>, chosen: string|null, label: string, onPick?: (found: any) => void, onHover?: (found: any) => void, main?: boolean, onGraph?: (graph: Graph) => void}} props */
export function GraphCanvas({ topology, tones, chosen, label, onPick, main = false, onGraph, ...options }) {
  const canvas = useRef(null);
  const graph = useRef(null);
  const picked = useRef(onPick);
  picked.current = onPick;
  useEffect(() => {
    graph.current = new Graph(canvas.current, { ...options, onPick: (found) => picked.current?.(found) });
    if (main) window.trunkline.where = (id) => graph.current.where(id);
    return () => graph.current.stop();
  }, []);
  useEffect(() => graph.current.set(topology), [topology]);
  useEffect(() => onGraph?.(graph.current), []);
  const key = useMemo(() => ({}), [tones, chosen, theme.value]);
  useEffect(() => graph.current.show({ tones, chosen }), [key]);
  return html`<canvas ref=${canvas} data-testid=${main ? "topology" : undefined} tabindex="0" role="img" aria-label=${label} />`;
}
