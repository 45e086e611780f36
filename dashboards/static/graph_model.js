// A topology as points and lines: where each node stands, who is near a point, who is next to whom. Pure.

const RING = 34;
const CIRCLE = 400;

const known = (thing) => Number.isFinite(thing.x) && Number.isFinite(thing.y);

/** Sites without a place stand on a circle, nodes without one on rings around their site: the same picture each time. */
export function placed({ sites, nodes, links }) {
  const at = new Map();
  sites.forEach((site, i) => {
    const angle = (i / sites.length) * 2 * Math.PI;
    at.set(site.id, known(site) ? { x: site.x, y: site.y } : { x: CIRCLE * Math.cos(angle), y: CIRCLE * Math.sin(angle) });
  });
  const seen = new Map();
  const points = nodes.map((node) => {
    const n = seen.get(node.site_id) || 0;
    seen.set(node.site_id, n + 1);
    const middle = at.get(node.site_id) || { x: 0, y: 0 };
    const place = known(node) ? node : { x: middle.x + RING * Math.cos(n * 2.4) * Math.sqrt(n), y: middle.y + RING * Math.sin(n * 2.4) * Math.sqrt(n) };
    return { ...node, x: place.x, y: place.y };
  });
  const byId = new Map(points.map((node) => [node.id, node]));
  const lines = links.filter((link) => byId.has(link.a) && byId.has(link.b)).map((link) => ({ ...link, from: byId.get(link.a), to: byId.get(link.b) }));
  return { sites: sites.map((site) => ({ ...site, ...at.get(site.id) })), nodes: points, links: bundled(lines), byId };
}

/** Parallel links get a bend each, so that none hides another. */
function bundled(lines) {
  const pairs = new Map();
  for (const line of lines) {
    const pair = line.a < line.b ? `${line.a} ${line.b}` : `${line.b} ${line.a}`;
    pairs.set(pair, [...(pairs.get(pair) || []), line]);
  }
  for (const together of pairs.values()) together.forEach((line, i) => { line.bend = i - (together.length - 1) / 2; });
  return lines;
}

/** The part of a topology within `hops` of a node (or of a link's ends). */
export function around(topology, id, hops, most = 80) {
  const link = topology.links.find((each) => each.id === id);
  const found = new Set(link ? [link.a, link.b] : [id]);
  let edge = [...found];
  for (let hop = 0; hop < hops && found.size < most; hop += 1) {
    const next = [];
    for (const each of topology.links) {
      for (const [near, far] of [[each.a, each.b], [each.b, each.a]]) {
        if (edge.includes(near) && !found.has(far) && found.size < most) {
          found.add(far);
          next.push(far);
        }
      }
    }
    edge = next;
  }
  const nodes = topology.nodes.filter((node) => found.has(node.id));
  const sites = topology.sites.filter((site) => nodes.some((node) => node.site_id === site.id));
  return { sites, nodes, links: topology.links.filter((each) => found.has(each.a) && found.has(each.b)) };
}

/** The middle of a link as drawn, bend included. */
export function middle(line, px) {
  const { x: ax, y: ay } = line.from;
  const { x: bx, y: by } = line.to;
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const out = line.bend * 7 * px;
  return { x: (ax + bx) / 2 - ((by - ay) / length) * out, y: (ay + by) / 2 + ((bx - ax) / length) * out };
}

function distanceToLine(x, y, a, b) {
  const long = (b.x - a.x) ** 2 + (b.y - a.y) ** 2 || 1;
  const t = Math.max(0, Math.min(1, ((x - a.x) * (b.x - a.x) + (y - a.y) * (b.y - a.y)) / long));
  return Math.hypot(x - a.x - t * (b.x - a.x), y - a.y - t * (b.y - a.y));
}

const nearest = (things, distance, within) => {
  let best = null;
  let least = within;
  for (const thing of things) {
    const far = distance(thing);
    if (far < least) [best, least] = [thing, far];
  }
  return best;
};

/** What is at a point of the world: a node within `within`, else a link. */
export function pick(graph, x, y, within, px) {
  const node = nearest(graph.nodes, (each) => Math.hypot(each.x - x, each.y - y), within);
  if (node) return { kind: "node", thing: node };
  const link = nearest(graph.links, (each) => {
    const at = middle(each, px);
    return Math.min(distanceToLine(x, y, each.from, at), distanceToLine(x, y, at, each.to));
  }, within * 0.8);
  return link && { kind: "link", thing: link };
}

/** The next node from `node` in a direction (dx, dy): near and not too far off the axis. */
export function neighbourTowards(graph, node, dx, dy) {
  return nearest(graph.nodes, (each) => {
    const along = (each.x - node.x) * dx + (each.y - node.y) * dy;
    const across = Math.abs((each.x - node.x) * dy) + Math.abs((each.y - node.y) * dx);
    return each === node || along <= 0 || across > along * 2 ? Infinity : along + across * 2;
  }, Infinity);
}

/** The box around all points: {x, y, width, height}. */
export function bounds(points) {
  if (!points.length) return { x: 0, y: 0, width: 1, height: 1 };
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  const least = (values) => values.reduce((a, b) => Math.min(a, b));
  const most = (values) => values.reduce((a, b) => Math.max(a, b));
  return { x: least(xs), y: least(ys), width: most(xs) - least(xs) || 1, height: most(ys) - least(ys) || 1 };
}
