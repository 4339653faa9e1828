// The query as chips under the field: artists, artists to avoid, tags, conditions on attributes.

import { el } from "./render.js";

const KINDS = [
  ["seeds", "seed", ""],
  ["avoid", "avoid", "not like "],
  ["tags", "tag", "tag "],
  ["where", "where", "only "],
];

function chip(list, kind, before, value, { name, unknown, wrong }) {
  const artist = list === "seeds" || list === "avoid";
  const shown = artist ? name(value) : value;
  const doubt =
    (list === "tags" && unknown(value) && "not known") || (list === "where" && wrong(value) && "not understood");
  return el(
    "li",
    { class: `chip ${kind}${doubt ? " doubtful" : ""}` },
    before && el("span", { class: "unseen" }, before),
    el(list === "avoid" ? "s" : "span", { class: "name", dir: "auto" }, shown),
    doubt && el("span", { class: "doubt" }, doubt),
    el(
      "button",
      { type: "button", "data-drop": list, "data-value": value, "aria-label": `Remove ${shown}`, title: "Remove" },
      "×",
    ),
  );
}

/**
 * Manage the row of chips.
 * @param {HTMLElement} row the list that holds the chips
 */
export function chips(row) {
  let shown = "";

  /**
   * Show a query.
   * @param {object} asked
   * @param {{name: (id: string) => string, unknown: (tag: string) => boolean, wrong: (typed: string) => boolean}} known
   *   name: name of an artist; unknown: whether the last response lacked a tag; wrong: whether a condition is invalid
   */
  function show(asked, known) {
    const made = KINDS.flatMap(([list, kind, before]) =>
      asked[list].map((value) => chip(list, kind, before, value, known)),
    );
    const html = made.map((each) => each.outerHTML).join("");
    row.hidden = made.length === 0;
    if (html === shown) return;
    shown = html;
    const held = row.contains(document.activeElement) ? document.activeElement.dataset : null;
    row.replaceChildren(...made);
    if (made.length > 1) row.append(el("li", {}, el("a", { class: "anew", href: "./" }, "Clear all")));
    if (held) find(held.drop, held.value)?.focus();
  }

  const buttons = () => [...row.querySelectorAll("button")];
  const find = (list, value) => buttons().find(({ dataset }) => dataset.drop === list && dataset.value === value);

  /** Return the button at a position in the row, or the last button if the row is shorter. */
  const at = (i) => buttons()[Math.min(i, buttons().length - 1)];
  return { show, at, place: (button) => buttons().indexOf(button) };
}
