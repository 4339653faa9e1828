// List of stored evaluations, and their figures over time.

import { overTime } from "./chart.js";
import { address, clock, count, day, figure, listed, moment, mono, spanned, STATES, trail } from "./figures.js";
import { el, heading } from "./render.js";

const CHARTS = 6;

/** Number of evaluations per page. */
export const PAGE = 50;

/** Group runs by ground truth, k and condition, the oldest first; groups of fewer than two runs are skipped. */
function series(runs) {
  const found = new Map();
  for (const run of [...runs].reverse()) {
    for (const row of run.summary.filter((each) => each.ndcg !== null)) {
      const key = JSON.stringify([run.truth, run.k, row.condition]);
      const one = found.get(key) ?? { truth: run.truth_name, k: run.k, condition: row.condition, points: [] };
      one.points.push({ at: run.at, value: row.ndcg, low: row.ndcg_low, high: row.ndcg_high });
      found.set(key, one);
    }
  }
  return [...found.values()].filter((each) => each.points.length > 1).slice(0, CHARTS);
}

function chart({ truth, k, condition, points }) {
  const newest = points.at(-1).value;
  const label = `nDCG at ${k}, ${truth}, ${condition}: ${points.length} runs, the newest ${figure(newest)}`;
  return el(
    "figure",
    {},
    el("figcaption", {}, `${truth} · ${condition}`, el("span", { class: "what" }, ` nDCG@${k}`)),
    overTime(points, { label, day }),
  );
}

function runRow(run) {
  const system = run.summary[0]?.system;
  return el(
    "li",
    {},
    el(
      "label",
      { class: "pick" },
      el("input", { type: "checkbox", name: "run", value: run.id }),
      el("span", { class: "unseen" }, `Compare the evaluation of ${clock(run.at)}`),
    ),
    el(
      "div",
      {},
      el("a", { href: address({ id: run.id }) }, moment(run.at)),
      el("p", { class: "what" }, listed([run.truth_name, system, run.k && `k ${run.k}`, run.by])),
    ),
    el(
      "dl",
      { class: "figures" },
      ...run.summary.map((row) =>
        el(
          "div",
          {},
          el("dt", {}, row.condition),
          el("dd", {}, spanned(row.ndcg, row.ndcg_low, row.ndcg_high)),
        ),
      ),
    ),
  );
}

function jobRow(job) {
  const { progress } = job;
  const counted = job.state === "running" && progress?.total;
  const far = counted ? `, ${count(progress.done)} of ${count(progress.total)}: ${progress.what}` : "";
  return el(
    "li",
    {},
    el("a", { href: address({ id: job.id }) }, (STATES[job.state] ?? job.state) + far),
    el("p", { class: "what" }, "submitted ", moment(job.created), ` by ${job.by}`),
    job.error && el("p", { class: "error" }, job.error),
  );
}

/** Show stored evaluations; `first` is whether this is the first page. */
export function list({ evaluations, jobs }, first) {
  const charts = series(evaluations).map(chart);
  const rows = evaluations.map(runRow);
  const older = evaluations.length === PAGE && address({ before: evaluations.at(-1).id });
  return [
    first ? null : trail("older"),
    el("div", { class: "head" }, heading("Evaluations")),
    rows.length || jobs.length
      ? el(
          "p",
          { class: "lead" },
          "How well each model and index version finds the artists that are known to be similar. nDCG rates the " +
            "lists found from 0 to 1: it is 1 if all artists known to be similar come first, and lower the further " +
            "down they stand.",
        )
      : null,
    ...(charts.length
      ? [
          el("div", { class: "charts" }, ...charts),
          el("p", { class: "what" }, "Each point is the first system of a run, with its 95 % confidence interval."),
        ]
      : []),
    ...(jobs.length
      ? [
          el("h2", { id: "jobs" }, "Waiting, running or failed"),
          el("ul", { class: "jobs", role: "list", "aria-labelledby": "jobs" }, ...jobs.map(jobRow)),
          el("p", {}, el("button", { type: "button", "data-retry": "" }, "Refresh")),
        ]
      : []),
    ...(rows.length
      ? [
          el("h2", { id: "runs" }, "Stored evaluations", el("span", { class: "what" }, "nDCG, 95 % interval")),
          el(
            "form",
            { id: "pick", action: "/evaluations" },
            el("ul", { class: "runs", role: "list", "aria-labelledby": "runs" }, ...rows),
            el(
              "p",
              { class: "choose" },
              el("button", { type: "submit", disabled: "" }, "Compare"),
              el("span", { class: "what", role: "status" }, "Choose two to compare."),
            ),
          ),
        ]
      : [empty(first)]),
    older && el("p", { class: "more" }, el("a", { href: older }, "Older evaluations")),
  ].filter(Boolean);
}

const empty = (first) =>
  first
    ? el("p", { class: "lead" }, "No evaluation is stored yet. Run one with ", mono("riyl evaluate --truth NAME"), ".")
    : el("p", { class: "lead" }, "There are no older evaluations.");
