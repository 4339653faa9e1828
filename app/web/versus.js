// Comparison of two stored evaluations.

import { interval } from "./chart.js";
import { address, asks, count, figure, listed, moment, mono } from "./figures.js";
import { row, scrolling, signed, spanned, trail } from "./figures.js";
import { el, heading, link, named } from "./render.js";

/** State the meaning of a difference a - b in plain words. */
function verdict({ low, high }) {
  if (low === null) return ["nothing", "No query is in both evaluations"];
  if (low > 0) return ["better", "A is better"];
  if (high < 0) return ["worse", "A is worse"];
  return ["same", "No clear difference"];
}

function side(letter, one) {
  return el(
    "div",
    {},
    el("dt", {}, letter),
    el(
      "dd",
      {},
      el("strong", {}, one.system),
      ", ",
      el("a", { href: address({ id: one.id }) }, moment(one.at)),
      el("span", { class: "what" }, " snapshot ", mono(one.snapshot ?? "unknown")),
    ),
  );
}

function changes(title, rows) {
  const cells = rows.map((one) =>
    row("td", [named(one, "a", { href: link(one) }), figure(one.a), figure(one.b), signed(one.difference)]),
  );
  const head = el("thead", {}, row("th", ["artist", "A", "B", "A − B"]));
  return el(
    "div",
    {},
    el("h3", {}, title),
    rows.length
      ? scrolling(title, el("table", { class: "changes" }, head, el("tbody", {}, ...cells)))
      : el("p", { class: "what" }, "None."),
  );
}

function condition(one) {
  const [kind, words] = verdict(one);
  const reach = 1.1 * Math.max(Math.abs(one.low), Math.abs(one.high), 1e-4);
  const apart = [one.only_a && `${count(one.only_a)} only in A`, one.only_b && `${count(one.only_b)} only in B`];
  return [
    el("h2", {}, one.condition, el("span", { class: "what" }, listed([asks(one.common), ...apart]))),
    el("p", { class: `verdict ${kind}` }, words),
    one.low === null
      ? null
      : el(
          "p",
          { class: "difference" },
          interval(one.difference, one.low, one.high, -reach, reach),
          `nDCG ${figure(one.ndcg_a)} against ${figure(one.ndcg_b)}: `,
          spanned(one.difference, one.low, one.high, signed),
          el("span", { class: "what" }, `p-value ${one.p.toFixed(3)}`),
        ),
    el("p", { class: "what" }, `Gini ${figure(one.gini_a)} against ${figure(one.gini_b)}; lower is more even.`),
    one.common
      ? el(
          "div",
          { class: "pair" },
          changes("Where A is most above B", one.gained),
          changes("Where A is most below B", one.lost),
        )
      : null,
  ].filter(Boolean);
}

function systems(letter, measured, chosen) {
  return el(
    "label",
    {},
    el("span", { class: "what" }, letter),
    el(
      "select",
      { name: `system_${letter.toLowerCase()}` },
      ...measured.map((each) => el("option", { value: each, ...(each === chosen ? { selected: "" } : {}) }, each)),
    ),
  );
}

const turned = ({ a, b }) => ({ a: b.id, b: a.id, system_a: b.system, system_b: a.system });

/**
 * Show the comparison of a and b.
 * @param {object} found response of the service
 * @param {string[]} ofA systems of a
 * @param {string[]} ofB systems of b
 */
export const versus = (found, ofA, ofB) => [
  trail("comparison"),
  el("div", { class: "head" }, heading("Is A better than B?")),
  el("dl", { class: "ran" }, side("A", found.a), side("B", found.b)),
  el(
    "p",
    { class: "what" },
    `Ground truth ${found.truth_name}; nDCG@${found.k} over the queries of both, with the 95 % confidence interval ` +
      "of the difference by paired bootstrap (many random samples of the queries). Gini is 0 if all artists appear " +
      "equally often in the lists, and near 1 if few artists fill them.",
  ),
  el(
    "form",
    { class: "choices", action: "evaluations" },
    el("input", { type: "hidden", name: "a", value: found.a.id }),
    el("input", { type: "hidden", name: "b", value: found.b.id }),
    systems("A", ofA, found.a.system),
    systems("B", ofB, found.b.system),
    el("button", { type: "submit" }, "Compare"),
    el("a", { href: address(turned(found)) }, "Swap A and B"),
  ),
  ...found.conditions.flatMap(condition),
];
