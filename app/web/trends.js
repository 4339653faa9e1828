// Figures of stored evaluations over time: a chart for each ground truth, k and condition, a line for each system.

import { MARKS, overTime, swatch } from "./chart.js";
import { count, day, figure } from "./figures.js";
import { el, plural } from "./render.js";

const CHARTS = 6;

/** Name of the line of index versions: each has a name of its own, and only together they are a trend. */
const VERSIONS = "index versions";

const systemOf = (run, row) => (run.version && row.system === `version ${run.version}` ? VERSIONS : row.system);

/**
 * Group the figures of runs by ground truth, k and condition, and there by system.
 * @param {object[]} runs the newest first
 * @returns {{truth: string, k: number, condition: string, lines: Map<string, object[]>}[]} the oldest point first;
 *   systems with fewer than two points are skipped
 */
function grouped(runs) {
  const charts = new Map();
  for (const run of [...runs].reverse()) {
    for (const row of run.summary.filter((each) => each.ndcg !== null)) {
      const key = JSON.stringify([run.truth, run.k, row.condition]);
      const chart = charts.get(key) ?? { truth: run.truth_name, k: run.k, condition: row.condition, lines: new Map() };
      const system = systemOf(run, row);
      const point = { run: run.id, at: run.at, value: row.ndcg, low: row.ndcg_low, high: row.ndcg_high };
      chart.lines.set(system, [...(chart.lines.get(system) ?? []), point]);
      charts.set(key, chart);
    }
  }
  return [...charts.values()]
    .map((chart) => ({ ...chart, lines: new Map([...chart.lines].filter(([, points]) => points.length > 1)) }))
    .filter((chart) => chart.lines.size);
}

/** Return systems by their number of points in all charts, the most first; ties in the order of their first point. */
function byPoints(charts) {
  const points = new Map();
  for (const { lines } of charts) {
    for (const [system, { length }] of lines) points.set(system, (points.get(system) ?? 0) + length);
  }
  return [...points].sort((a, b) => b[1] - a[1]).map(([system]) => system);
}

const newest = (points) => figure(points.at(-1).value);

function chartOf({ truth, k, condition, lines }, drawn) {
  const shown = drawn
    .map((system, mark) => ({ system, mark, points: lines.get(system) }))
    .filter(({ points }) => points);
  const words = shown.map(
    ({ system, points }) => `${system}: ${plural(points.length, "run")}, the newest ${newest(points)}`,
  );
  return el(
    "figure",
    {},
    el("figcaption", {}, `${truth} · ${condition}`, el("span", { class: "what" }, ` nDCG@${k}`)),
    overTime(shown, { label: `nDCG at ${k}, ${truth}, ${condition}. ${words.join("; ")}`, day }),
    el(
      "ul",
      { class: "legend", role: "list" },
      ...shown.map(({ system, mark, points }) =>
        el("li", {}, swatch(mark), el("span", {}, system, el("span", { class: "what" }, ` ${newest(points)}`))),
      ),
    ),
  );
}

/**
 * Return the charts of runs, with an explanation; nothing if no system was measured twice.
 * @param {object[]} runs the newest first
 * @returns {Node[]}
 */
export function trends(runs) {
  const charts = grouped(runs);
  const systems = byPoints(charts);
  const drawn = systems.slice(0, MARKS);
  const figures = charts.filter(({ lines }) => drawn.some((system) => lines.has(system))).slice(0, CHARTS);
  if (!figures.length) return [];
  const rest = systems.length - drawn.length;
  return [
    el("div", { class: "charts" }, ...figures.map((each) => chartOf(each, drawn))),
    el(
      "p",
      { class: "what" },
      "Each point is the first system of a run, with its 95 % confidence interval. A line joins the runs of a system; " +
        "systems measured once have none.",
      rest > 0 && ` ${count(rest)} more ${rest === 1 ? "system" : "systems"}, measured less often, not shown.`,
    ),
  ];
}
