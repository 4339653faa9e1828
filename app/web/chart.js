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

/** Shapes of points around the origin, so that lines differ in more than their colour. */
const SHAPES = [
  "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0",
  "M-3,-3h6v6h-6z",
  "M0,-4l4,4l-4,4l-4,-4z",
  "M0,-4l4,7h-8z",
  "M0,4l4,-7h-8z",
  "M-1.5,-4h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5v-3h2.5z",
  "M-4,-2l2,-2l2,2l2,-2l2,2l-2,2l2,2l-2,2l-2,-2l-2,2l-2,-2l2,-2z",
  "M-4,0l2,-3.5h4l2,3.5l-2,3.5h-4z",
  "M0,-4.5l1.2,3.3l3.4,.1l-2.7,2.1l1,3.4l-2.9,-2l-2.9,2l1,-3.4l-2.7,-2.1l3.4,-.1z",
  "M-4,0l7,-4v8z",
];

/** Number of marks: each has a shape, and a colour in evaluations.css. */
export const MARKS = SHAPES.length;

const point = (mark, x, y) => svg("path", { class: "point", d: SHAPES[mark], transform: `translate(${x} ${y})` });

const markOf = (mark, ...children) => svg("g", { class: `series series-${mark + 1}` }, ...children);

/** Draw the mark of a line, for a legend. */
export const swatch = (mark) =>
  svg(
    "svg",
    { class: "swatch", viewBox: "0 0 24 12", "aria-hidden": "true" },
    markOf(mark, svg("line", { class: "line", x1: 0, x2: 24, y1: 6, y2: 6 }), point(mark, 12, 6)),
  );

/**
 * Draw a figure over time: a line for each system, with a point and its interval per run. Runs are evenly spaced, the
 * oldest at the left.
 * @param {{mark: number, points: {run: string, at: string, value: number, low: number | null, high: number | null}[]}[]}
 *   lines one or more, of two points or more each, the oldest first
 * @param {{label: string, day: (at: string) => string}} words label: text alternative of the chart
 */
export function overTime(lines, { label, day }) {
  const points = lines.flatMap((line) => line.points);
  const runs = [...new Map(points.map(({ run, at }) => [run, at]))].sort((a, b) => new Date(a[1]) - new Date(b[1]));
  const place = new Map(runs.map(([run], i) => [run, i]));
  const ends = points.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const margin = (Math.max(...ends) - Math.min(...ends)) * 0.08 || 0.01;
  const [low, high] = [Math.min(...ends) - margin, Math.max(...ends) + margin];
  const across = scale(0, runs.length - 1, LEFT + 6, WIDTH - RIGHT - 6);
  const x = ({ run }) => across(place.get(run));
  const y = scale(low, high, HEIGHT - BOTTOM, TOP);
  const { values, decimals } = ticks(low, high);
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    ...values.flatMap((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }, value.toFixed(decimals)),
    ]),
    ...lines.map((line) =>
      markOf(
        line.mark,
        ...line.points
          .filter((each) => each.low !== null)
          .map((each) => svg("line", { class: "whisker", x1: x(each), x2: x(each), y1: y(each.low), y2: y(each.high) })),
        svg("polyline", { class: "line", points: line.points.map((each) => `${x(each)},${y(each.value)}`).join(" ") }),
        ...line.points.map((each) => point(line.mark, x(each), y(each.value))),
      ),
    ),
    svg("text", { class: "tick", x: LEFT, y: HEIGHT - 6 }, day(runs[0][1])),
    svg("text", { class: "tick", x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, day(runs.at(-1)[1])),
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
