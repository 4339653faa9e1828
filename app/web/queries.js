// Queries of an evaluation with the lowest or highest nDCG: the expected artists and those that were found.

import { address, asks, count, figure, mono, trail } from "./figures.js";
import { el, heading, link, named } from "./render.js";

export const PAGE = 10;

const words = { worst: "Artists with the worst lists", best: "Artists with the best lists" };

function choice(name, label, options, chosen) {
  return el(
    "label",
    {},
    el("span", { class: "what" }, label),
    el(
      "select",
      { name },
      ...options.map(([value, text]) => el("option", { value, ...(value === chosen ? { selected: "" } : {}) }, text)),
    ),
  );
}

/** Create the form for another condition, system, or order. */
function choices(id, { condition, system }, sort, measured) {
  return el(
    "form",
    { class: "choices", action: "evaluations" },
    el("input", { type: "hidden", name: "id", value: id }),
    choice("artists", "order", [["worst", "worst first"], ["best", "best first"]], sort),
    choice("condition", "set of artists", [...measured.keys()].map((each) => [each, each]), condition),
    choice("system", "system", measured.get(condition).map((each) => [each, each]), system),
    el("button", { type: "submit" }, "Show"),
  );
}

const artist = (one) => named(one, "a", { href: link(one) });

function expected(one) {
  const kind = one.found === null ? "wrong" : "right";
  const found = one.found === null ? el("span", { class: "unseen" }, "not in the first 10") : `rank ${one.found}`;
  return el("li", { class: kind }, artist(one), el("span", { class: "what" }, found));
}

const RIGHT = new Map([
  [true, ["right", "known to be similar"]],
  [false, ["wrong", "not known to be similar"]],
  [null, ["unsure", "not stored whether known to be similar"]],
]);

function retrieved(one) {
  const [kind, text] = RIGHT.get(one.right);
  return el("li", { class: kind }, artist(one), el("span", { class: "unseen" }, text));
}

function query(one) {
  const rest = one.relevant - one.expected.length;
  return el(
    "li",
    {},
    el("h3", {}, artist(one), el("span", { class: "what" }, `nDCG ${figure(one.ndcg)}`)),
    el(
      "div",
      {},
      el("h4", {}, `Known to be similar: ${count(one.relevant)}`),
      el("ul", { role: "list" }, ...one.expected.map(expected)),
      rest > 0 && el("p", { class: "what" }, `and ${count(rest)} more`),
    ),
    el(
      "div",
      {},
      el("h4", {}, "Found, the first 10"),
      one.retrieved.length
        ? el("ol", {}, ...one.retrieved.map(retrieved))
        : el("p", { class: "what" }, "Nothing: the system has no data on this artist."),
    ),
  );
}

/**
 * Show a page of queries.
 * @param {object} found response of the service
 * @param {{sort: string, offset: number, measured: Map<string, string[]>}} asked measured: systems by condition
 */
export function queries(found, { sort, offset, measured }) {
  const { id, condition, system, total, artists } = found;
  const at = (first) => address({ id, artists: sort, condition, system, ...(first ? { offset: first } : {}) });
  const last = offset + artists.length;
  return [
    trail(el("a", { href: address({ id }) }, mono(id.slice(0, 8))), sort),
    el("div", { class: "head" }, heading(words[sort])),
    choices(id, found, sort, measured),
    artists.length
      ? el("p", { class: "what" }, `${count(offset + 1)} to ${count(last)} of ${asks(total)}`)
      : el("p", { class: "lead" }, total ? "There are no more." : "This set of artists has no queries."),
    artists.length ? el("ol", { class: "queries", role: "list" }, ...artists.map(query)) : null,
    el(
      "p",
      { class: "more" },
      offset > 0 && el("a", { href: at(Math.max(0, offset - PAGE)) }, "Previous"),
      last < total && artists.length > 0 && el("a", { href: at(last) }, "Next"),
    ),
  ].filter(Boolean);
}
