// Small charts of figures, as SVG.

const WIDTH = 320;
const HEIGHT = 124;
const LEFT = 40;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 22;

/** Create an SVG element; children that are null or false are skipped. */
function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const scale = (from, to, low, high) => (value) => low + ((value - from) / (to - from || 1)) * (high - low);

/** Return two to five round numbers between low and high, and the number of decimals that distinguishes them. */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return { decimals, values: Array.from({ length: count }, (_, i) => (first + i) * step) };
}

/**
 * Draw a figure over time: one point with its interval per run, evenly spaced, the oldest at the left.
 * @param {{at: string, value: number, low: number | null, high: number | null}[]} points the oldest first, two or more
 * @param {{label: string, day: (at: string) => string}} words label: text alternative of the chart
 */
export function overTime(points, { label, day }) {
  const ends = points.flatMap((point) => [point.value, point.low ?? point.value, point.high ?? point.value]);
  const margin = (Math.max(...ends) - Math.min(...ends)) * 0.08 || 0.01;
  const [low, high] = [Math.min(...ends) - margin, Math.max(...ends) + margin];
  const x = scale(0, points.length - 1, LEFT + 6, WIDTH - RIGHT - 6);
  const y = scale(low, high, HEIGHT - BOTTOM, TOP);
  const { values, decimals } = ticks(low, high);
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    ...values.flatMap((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, value.toFixed(decimals)),
    ]),
    ...points.map(
      (point, i) =>
        point.low !== null &&
        svg("line", { class: "whisker", x1: x(i), x2: x(i), y1: y(point.low), y2: y(point.high) }),
    ),
    svg("polyline", { class: "line", points: points.map((point, i) => `${x(i)},${y(point.value)}`).join(" ") }),
    ...points.map((point, i) => svg("circle", { class: "point", cx: x(i), cy: y(point.value), r: 3 })),
    svg("text", { class: "tick", x: LEFT, y: HEIGHT - 6 }, day(points[0].at)),
    svg("text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, day(points.at(-1).at)),
  );
}

/**
 * Draw a figure and its interval on an axis from `from` to `to`, with a line at 0 if the axis contains it.
 * Text beside it gives the same values, so it is hidden from screen readers.
 */
export function interval(value, low, high, from, to) {
  const x = scale(from, to, 4, 116);
  return svg(
    "svg",
    { class: "interval", viewBox: "0 0 120 16", "aria-hidden": "true" },
    svg("line", { class: "grid", x1: 4, x2: 116, y1: 8, y2: 8 }),
    from < 0 && to > 0 && svg("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: 16 }),
    low !== null && svg("line", { class: "whisker", x1: x(low), x2: x(high), y1: 8, y2: 8 }),
    svg("circle", { class: "point", cx: x(value), cy: 8, r: 4 }),
  );
}
