// List of stored evaluations, below their figures over time.

import { address, clock, count, listed, moment, mono, spanned, STATES, trail } from "./figures.js";
import { el, heading } from "./render.js";
import { trends } from "./trends.js";

/** Number of evaluations per page. */
export const PAGE = 50;

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
    ...trends(evaluations),
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
            { id: "pick", action: "evaluations" },
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
