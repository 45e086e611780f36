// Paint a graph: links under nodes under labels; state by shape, dash and lightness, colour last.
import { middle } from "./graph_model.js";

const SIZE = { core: 7, spine: 7, aggregation: 5.5, edge: 5, access: 4 };
const LABELS_FROM_PX = 44;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const NAMES = ["critical", "major", "minor", "warning", "indeterminate", "cleared", "normal", "minor-edge", "bg", "surface", "raised", "line", "text", "dim", "accent", "focus"];

export const colours = () => Object.fromEntries(NAMES.map((name) => [name, token(`--${name}`)]));
export const sizeOf = (node) => SIZE[node.role] || 4.5;

const polygon = (ctx, x, y, points) => {
  ctx.beginPath();
  points.forEach(([px, py], i) => ctx[i ? "lineTo" : "moveTo"](x + px, y + py));
  ctx.closePath();
};

/** The mark of a tone with half-width `r` around a point, as in marks.js. */
export function paintMark(ctx, c, tone, x, y, r) {
  ctx.fillStyle = c[tone];
  ctx.strokeStyle = c[tone];
  ctx.lineWidth = Math.max(1.5, r * 0.3);
  if (tone === "critical") {
    const k = r * 0.45;
    polygon(ctx, x, y, [[-k, -r], [k, -r], [r, -k], [r, k], [k, r], [-k, r], [-r, k], [-r, -k]]);
    ctx.fill();
    ctx.strokeStyle = "#fff";
    ctx.lineWidth = r * 0.26;
    ctx.beginPath();
    ctx.moveTo(x, y - r * 0.5);
    ctx.lineTo(x, y + r * 0.12);
    ctx.moveTo(x, y + r * 0.38);
    ctx.lineTo(x, y + r * 0.5);
    ctx.stroke();
  } else if (tone === "major") {
    polygon(ctx, x, y, [[0, -r], [r, r * 0.85], [-r, r * 0.85]]);
    ctx.fill();
  } else if (tone === "minor") {
    polygon(ctx, x, y, [[0, -r], [r, 0], [0, r], [-r, 0]]);
    ctx.fill();
    ctx.strokeStyle = c["minor-edge"];
    ctx.lineWidth = 1;
    ctx.stroke();
  } else if (tone === "indeterminate") {
    ctx.strokeRect(x - r * 0.75, y - r * 0.75, r * 1.5, r * 1.5);
  } else {
    ctx.beginPath();
    ctx.arc(x, y, r * (tone === "warning" ? 0.8 : 1), 0, 2 * Math.PI);
    if (tone === "warning") ctx.stroke();
    else ctx.fill();
  }
}

const widthOf = (line) => Math.max(1, Math.min(4, Math.round(2 * Math.log10((line.speed_bps || 1e8) / 1e8)) / 2));

function trace(ctx, view, line) {
  const a = view.screen(line.from);
  const b = view.screen(line.to);
  ctx.moveTo(a.x, a.y);
  if (!line.bend) return ctx.lineTo(b.x, b.y);
  const at = view.screen(middle(line, 1 / view.scale));
  return ctx.quadraticCurveTo(at.x * 2 - (a.x + b.x) / 2, at.y * 2 - (a.y + b.y) / 2, b.x, b.y);
}

const TOGETHER = 8; // in one path: longer ones cost more than they save without a GPU

/** Healthy links of one width share strokes. */
function paintHealthy(ctx, c, view, lines) {
  const sorted = lines.map((line) => [widthOf(line), line]).sort((a, b) => a[0] - b[0]);
  ctx.strokeStyle = c.normal;
  ctx.globalAlpha = view.strong ? 1 : 0.6;
  let n = 0;
  sorted.forEach(([width, line], i) => {
    if (!n) ctx.beginPath();
    trace(ctx, view, line);
    n += 1;
    if (n < TOGETHER && sorted[i + 1]?.[0] === width) return;
    ctx.lineWidth = width;
    ctx.stroke();
    n = 0;
  });
  ctx.globalAlpha = 1;
}

const special = (view, line) => line.up === false || line.id === view.chosen || view.tones.has(line.id);

/** A link that is down is broken in the middle by a cross; an alarm on it sits there too. */
function paintLink(ctx, c, view, line) {
  const at = view.screen(middle(line, 1 / view.scale));
  const tone = view.tones.get(line.id);
  const down = line.up === false;
  const chosen = line.id === view.chosen;
  ctx.strokeStyle = chosen ? c.accent : down ? c.dim : c.normal;
  ctx.lineWidth = (chosen ? 2 : 0) + widthOf(line);
  ctx.setLineDash(down ? [5, 5] : []);
  ctx.beginPath();
  trace(ctx, view, line);
  ctx.stroke();
  ctx.setLineDash([]);
  if (down) paintCross(ctx, c, at);
  if (tone) paintMark(ctx, c, tone, at.x, at.y - (down ? 14 : 0), tone === "critical" ? 8 : 6);
}

function paintCross(ctx, c, { x, y }) {
  ctx.fillStyle = c.surface;
  ctx.fillRect(x - 7, y - 7, 14, 14);
  ctx.strokeStyle = c.text;
  ctx.lineWidth = 2.5;
  ctx.beginPath();
  ctx.moveTo(x - 5, y - 5);
  ctx.lineTo(x + 5, y + 5);
  ctx.moveTo(x + 5, y - 5);
  ctx.lineTo(x - 5, y + 5);
  ctx.stroke();
}

const isGone = (node) => node.status === "down" || node.status === "unreachable";
const plain = (view, node) => !view.tones.has(node.id) && !isGone(node) && node.id !== view.chosen && node.id !== view.focused;

/** A dot per size, painted once and stamped. */
function dots(c, ratio) {
  const made = new Map();
  return (size) => {
    if (made.has(size)) return made.get(size);
    const wide = Math.ceil(size * 2 + 2);
    const picture = Object.assign(document.createElement("canvas"), { width: wide * ratio, height: wide * ratio });
    const ctx = picture.getContext("2d");
    ctx.scale(ratio, ratio);
    ctx.beginPath();
    ctx.arc(wide / 2, wide / 2, size, 0, 2 * Math.PI);
    ctx.fillStyle = c.normal;
    ctx.fill();
    made.set(size, { picture, wide });
    return made.get(size);
  };
}

/** Healthy nodes. */
function paintPlain(ctx, c, view, nodes) {
  const dot = dots(c, globalThis.devicePixelRatio || 1);
  for (const node of nodes) {
    const { x, y } = view.screen(node);
    const { picture, wide } = dot(sizeOf(node) * view.grow);
    ctx.drawImage(picture, x - wide / 2, y - wide / 2, wide, wide);
  }
}

function paintNode(ctx, c, view, node) {
  const { x, y } = view.screen(node);
  const tone = view.tones.get(node.id);
  const size = sizeOf(node) * view.grow;
  const gone = isGone(node);
  if (tone) paintMark(ctx, c, tone, x, y, (tone === "critical" ? 1.5 : 1.25) * Math.max(size, 5));
  else {
    ctx.beginPath();
    ctx.arc(x, y, size, 0, 2 * Math.PI);
    ctx.fillStyle = gone ? c.surface : c.normal;
    ctx.fill();
  }
  if (gone) ringAround(ctx, x, y, size + (tone ? 6 : 0), c.dim, [2, 2]);
  if (node.id === view.chosen) ringAround(ctx, x, y, size + 7, c.accent, []);
  if (node.id === view.focused) ringAround(ctx, x, y, size + 10, c.focus, []);
}

function ringAround(ctx, x, y, r, colour, dash) {
  ctx.setLineDash(dash);
  ctx.lineWidth = 2;
  ctx.strokeStyle = colour;
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.setLineDash([]);
}

function paintSites(ctx, c, view, graph) {
  ctx.font = "600 12px system-ui, sans-serif";
  for (const [site, box] of graph.boxes) {
    const a = view.screen({ x: box.x, y: box.y });
    const wide = box.width * view.scale + 44;
    const high = box.height * view.scale + 44;
    ctx.fillStyle = c.raised;
    ctx.globalAlpha = 0.55;
    ctx.beginPath();
    ctx.roundRect(a.x - 22, a.y - 22, wide, high, 22);
    ctx.fill();
    ctx.globalAlpha = 1;
    view.labels.push({ text: `${site.name}`, x: a.x - 22 + wide / 2, y: a.y - 28, strong: true });
  }
}

/** Labels that do not cover each other, the important first; the rest wait for more zoom. */
function paintLabels(ctx, c, view) {
  const taken = [];
  ctx.textAlign = "center";
  for (const label of view.labels.sort((a, b) => Number(b.strong) - Number(a.strong))) {
    ctx.font = `${label.strong ? "600 12px" : "11px"} system-ui, sans-serif`;
    const wide = ctx.measureText(label.text).width + 6;
    const box = { left: label.x - wide / 2, right: label.x + wide / 2, top: label.y - 11, bottom: label.y + 4 };
    if (taken.some((other) => box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top)) continue;
    taken.push(box);
    ctx.lineWidth = 3;
    ctx.strokeStyle = c.surface;
    ctx.strokeText(label.text, label.x, label.y);
    ctx.fillStyle = label.strong ? c.text : c.dim;
    ctx.fillText(label.text, label.x, label.y);
  }
}

const LABEL_MAX = 28;
export const short = (text) => (text.length > LABEL_MAX ? `${text.slice(0, LABEL_MAX - 1)}…` : text);

/** @returns {number} how many things were painted; those out of view are left out */
export function paint(ctx, graph, view, width, height) {
  const c = colours();
  ctx.clearRect(0, 0, width, height);
  view.labels = [];
  view.grow = Math.max(0.8, Math.min(2, view.scale / view.fitted));
  const inside = (node) => {
    const { x, y } = view.screen(node);
    return x > -60 && y > -60 && x < width + 60 && y < height + 60;
  };
  if (view.sites) paintSites(ctx, c, view, graph);
  const lines = graph.links.filter((line) => inside(line.from) || inside(line.to));
  paintHealthy(ctx, c, view, lines.filter((line) => !special(view, line)));
  for (const line of lines) if (special(view, line)) paintLink(ctx, c, view, line);
  const nodes = graph.nodes.filter(inside);
  const roomy = graph.spacing * view.scale > LABELS_FROM_PX;
  paintPlain(ctx, c, view, nodes.filter((node) => plain(view, node)));
  for (const node of nodes) {
    if (!plain(view, node)) paintNode(ctx, c, view, node);
    const matters = view.tones.has(node.id) || node.id === view.chosen || node.id === view.hovered || node.id === view.focused;
    if (roomy || matters) view.labels.push({ text: short(node.name), ...offset(view.screen(node), 20), strong: matters && view.sites });
  }
  paintLabels(ctx, c, view);
  return lines.length + nodes.length;
}

const offset = ({ x, y }, by) => ({ x, y: y + by });
