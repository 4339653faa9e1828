// One stored evaluation: its inputs and all its figures.

import { interval } from "./chart.js";
import { address, asks, count, figure, listed, moment, mono, row } from "./figures.js";
import { scrolling, share, signed, spanned, STATES, trail } from "./figures.js";
import { el, heading, plural } from "./render.js";

const CONDITIONS = { raw: "artists with any data", fmc: "artists with every kind of data" };
const OTHERS = [
  ["Gini", "gini"],
  ["coverage", "coverage"],
  ["precision", "precision"],
  ["recall", "recall"],
  ["R-precision", "r_precision"],
];

/** View of an evaluation without figures. */
export const unfinished = (run) => [
  trail(mono(run.id.slice(0, 8))),
  el("div", { class: "head" }, heading(`This evaluation ${STATES[run.state] ?? run.state}`)),
  run.error ? el("p", { class: "lead error" }, run.error) : null,
  el("p", { class: "lead" }, "Its parameters are ", mono(JSON.stringify(run.request))),
  ["waiting", "running"].includes(run.state)
    ? el("p", {}, el("button", { type: "button", "data-retry": "" }, "Refresh"))
    : null,
].filter(Boolean);

function fact(term, ...values) {
  const given = values.filter((value) => value !== null && value !== undefined && value !== "");
  return given.length ? el("div", {}, el("dt", {}, term), el("dd", {}, ...given)) : null;
}

/** List the inputs of an evaluation. */
function facts(run, figures) {
  const { truth = {}, catalog, models = {}, rounds, seed } = figures;
  const pairs = truth.pairs ? `, ${plural(truth.pairs, "pair")}` : "";
  const kind = truth.directed === undefined ? "" : truth.directed ? ", directed" : ", undirected";
  const by = Object.entries(catalog?.modalities ?? {}).map(([name, n]) => `${name} ${count(n)}`);
  const artists = catalog?.artists && `: ${plural(catalog.artists, "artist")}${by.length ? ` (${by.join(", ")})` : ""}`;
  const chance = [
    typeof seed === "number" && `seed ${seed}`,
    rounds && `${count(rounds)} random samples for the intervals`,
  ].filter(Boolean);
  const trained = Object.entries(models).flatMap(([name, model], i) => [
    i ? ", " : "",
    `${name} `,
    mono(model.id),
    ` (seed ${model.seed})`,
  ]);
  return el(
    "dl",
    { class: "ran" },
    fact("ground truth", truth.id ? el("span", {}, `${truth.name} `, mono(truth.id), `${kind}${pairs}`) : null),
    fact("snapshot", figures.snapshot && mono(figures.snapshot), artists),
    fact("version", figures.version && mono(figures.version)),
    fact("models", ...trained),
    fact("randomness", chance.join(", ")),
    fact("by", run.by),
    fact("command", figures.command && mono(figures.command)),
  );
}

function conditionTable(run, condition, rows, differences) {
  const ends = rows.flatMap((each) => [each.ndcg, each.ndcg_low, each.ndcg_high]).filter((end) => end !== null);
  const [from, to] = [Math.min(...ends), Math.max(...ends)];
  const others = OTHERS.filter(([, name]) => rows.some((each) => name in each));
  const reference = rows[0].system;
  const lines = rows.map((each) => {
    const paired = differences.find((d) => d.condition === condition && d.system === each.system);
    const queries = address({ id: run.id, artists: "worst", condition, system: each.system });
    return row("td", [
      run.files ? el("a", { href: queries }, each.system) : each.system,
      each.ndcg === null ? "" : interval(each.ndcg, each.ndcg_low, each.ndcg_high, from, to),
      spanned(each.ndcg, each.ndcg_low, each.ndcg_high),
      paired ? spanned(paired.ndcg, paired.low, paired.high, signed) : "",
      ...others.map(([, name]) => figure(each[name])),
    ]);
  });
  const { k } = rows[0];
  const columns = ["system", el("span", { class: "unseen" }, "chart"), `nDCG@${k}`, `minus ${reference}`];
  return scrolling(
    `Systems, ${condition}`,
    el(
      "table",
      {},
      el("thead", {}, row("th", [...columns, ...others.map(([word]) => word)])),
      el("tbody", {}, ...lines),
    ),
  );
}

/** Tabulate the first ranks of a condition's lists; evaluations of earlier releases have no figures of them. */
function firstLists(condition, systems, depths) {
  const measured = depths.filter((each) => each.condition === condition);
  const shown = [...new Set(measured.map((each) => each.depth))].sort((a, b) => a - b);
  if (!shown.length) return [];
  const [first, ...others] = shown;
  const lines = systems.map((system) => {
    const at = (depth) => measured.find((each) => each.system === system && each.depth === depth);
    const cell = (depth, show) => (at(depth) ? show(at(depth)) : "not applicable");
    return row("td", [
      system,
      cell(first, (each) => spanned(each.ndcg, each.ndcg_low, each.ndcg_high)),
      system === systems[0]
        ? ""
        : cell(first, (each) => spanned(each.difference, each.difference_low, each.difference_high, signed)),
      ...others.map((depth) => cell(depth, (each) => figure(each.ndcg))),
      ...shown.map((depth) => cell(depth, (each) => figure(each.gini))),
      cell(first, (each) => share(each.never_retrieved)),
    ]);
  });
  const columns = ["system", `nDCG@${first}`, `minus ${systems[0]}`, ...others.map((depth) => `nDCG@${depth}`)];
  columns.push(...shown.map((depth) => `Gini@${depth}`), `never in a first ${first}`);
  return [
    el("h3", {}, "First lists"),
    scrolling(
      `First lists, ${condition}`,
      el("table", {}, el("thead", {}, row("th", columns)), el("tbody", {}, ...lines)),
    ),
  ];
}

function groupTable(groups) {
  const spread = ({ mean, deviation }) => (mean === null ? figure(mean) : `${figure(mean)} ± ${figure(deviation)}`);
  const lines = groups.map((each) =>
    row("td", [each.system, spread(each.entropy), spread(each.ndcg), spread(each.ndcg_own)]),
  );
  return [
    el("h2", { id: "groups" }, "groups", el("span", { class: "what" }, "artists with one to three kinds of data")),
    scrolling(
      "Modality groups",
      el(
        "table",
        {},
        el("thead", {}, row("th", ["system", "entropy", "nDCG", "nDCG within the own group"])),
        el("tbody", {}, ...lines),
      ),
    ),
    el("p", { class: "what" }, "Mean and deviation over groupings; higher entropy (nats) means more mixed lists."),
  ];
}

/** Show the figures of one evaluation. */
export function run(found) {
  const { figures } = found;
  const { results = [], differences = [], groups = [], depths = [], protocol } = figures;
  const conditions = [...new Set(results.map((each) => each.condition))];
  const kept = encodeURIComponent(found.id);
  return [
    trail(mono(found.id.slice(0, 8))),
    el("div", { class: "head" }, heading(figures.truth?.name ? `${figures.truth.name}, ` : "", moment(found.at))),
    el(
      "p",
      { class: "links" },
      ...(found.files
        ? [
            el("a", { href: `v1/evaluations/${kept}/report` }, "Full report"),
            el("a", { href: address({ id: found.id, artists: "worst" }) }, "Artists with the worst lists"),
          ]
        : [el("span", { class: "what" }, "Its report and its results by artist are not stored here.")]),
      el("a", { href: `v1/evaluations/${kept}` }, "Figures as JSON"),
    ),
    facts(found, figures),
    ...conditions.flatMap((condition) => {
      const rows = results.filter((each) => each.condition === condition);
      const { artists, queries, without_links: without } = rows[0];
      const known = listed([
        CONDITIONS[condition],
        typeof artists === "number" && plural(artists, "artist"),
        typeof queries === "number" && asks(queries),
        typeof without === "number" && `${count(without)} without a known similar artist`,
      ]);
      return [
        el("h2", {}, condition, el("span", { class: "what" }, known)),
        conditionTable(found, condition, rows, differences),
        ...firstLists(
          condition,
          rows.map((each) => each.system),
          depths,
        ),
      ];
    }),
    ...(groups.length ? groupTable(groups) : []),
    protocol
      ? el(
          "details",
          {},
          el("summary", {}, "How this was measured"),
          el(
            "p",
            {},
            "A query is an artist whose similar artists are looked for; a system is a model, a simpler method to " +
              "compare it to, or a version of the index. nDCG rates lists from 0 to 1: 1 if all artists known to be " +
              "similar come first, lower the further down they stand. Gini is 0 if all artists appear equally often " +
              "in the lists, and near 1 if few artists fill them. Coverage is the share of artists that appear in " +
              "any list. First lists are the first ranks of the same lists; never in a first 10 is the share of " +
              "artists that appear in the first 10 of no list. Gini is set by the bias of the scores rather than " +
              "learnt: compare systems with the same bias. " +
              "Precision is the share of a list that is known to be similar, recall the share of the artists " +
              "known to be similar that a list contains. R-precision is the precision of the first R places, where R " +
              `is the number of artists known to be similar. In detail: ${protocol}`,
          ),
        )
      : null,
  ].filter(Boolean);
}
