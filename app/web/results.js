// Similar artists, best first; each can be expanded, and added to the query.

import { badges, el, heading, link, named, plural } from "./render.js";
import { figure, reasons, shared } from "./reasons.js";
import { wanted } from "./question.js";

const TERMS = 3;
const NAMED = 3;

function bar(score) {
  const made = el("span", { class: "bar", "aria-hidden": "true" });
  made.style.setProperty("--score", String(Math.min(1, Math.max(0, score))));
  return made;
}

function icon(...paths) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 16 16");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  for (const path of paths) {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    made.append(line);
  }
  return made;
}

/** Create a button that changes the query: `data-add` is a list of the query, `data-id` the artist to add. */
const steer = (artist, list, words, paths) =>
  el(
    "button",
    {
      type: "button",
      class: "act",
      "data-add": list,
      "data-id": artist.id,
      title: `${words} like this`,
      "aria-label": `${words} like ${artist.name}`,
    },
    icon(...paths),
  );

/** Create the button that shows an artist's reasons; they are rendered when first opened. */
function opener(artist, place, asked) {
  const panel = el("div", { class: "why", id: `why-${place}`, hidden: "" });
  const button = el(
    "button",
    {
      type: "button",
      class: "act",
      title: "Why",
      "aria-label": `Why ${artist.name}`,
      "aria-expanded": "false",
      "aria-controls": panel.id,
    },
    icon("m3.5 6 4.5 4.5L12.5 6"),
  );
  button.addEventListener("click", () => {
    if (!panel.childElementCount) panel.append(...reasons(artist, asked));
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
  });
  return { button, panel };
}

function row(artist, place, asked) {
  const why = artist.why ? opener(artist, place, asked) : null;
  const terms = artist.why ? shared(artist.why, TERMS) : [];
  return el(
    "li",
    {},
    el(
      "div",
      { class: "row" },
      el("span", { class: "rank", "aria-hidden": "true" }, String(place)),
      el(
        "span",
        { class: "who" },
        named(artist, "a", { href: link(artist) }),
        artist.pinned && el("span", { class: "pinned", title: "Placed here by a rule, not by its score" }, "pinned"),
        terms.length > 0 && el("span", { class: "terms", dir: "auto" }, terms.join(" · ")),
      ),
      badges(artist.modalities),
      bar(artist.score),
      el("span", { class: "score" }, el("span", { class: "unseen" }, "score "), figure(artist.score)),
      el(
        "span",
        { class: "acts" },
        steer(artist, "seeds", "More", ["M8 3v10", "M3 8h10"]),
        steer(artist, "avoid", "Less", ["M3 8h10"]),
        why?.button,
      ),
    ),
    why?.panel,
  );
}

const listed = (items) => {
  const shown = items.length > NAMED + 1 ? [...items.slice(0, NAMED), `${items.length - NAMED} more`] : items;
  return shown.flatMap((item, i) => {
    if (!i) return [item];
    return [i === shown.length - 1 ? " and " : ", ", item];
  });
};

/** Describe the query, as parts of a heading; unknown tags are named only if all tags are unknown. */
function said(asked, { name, unknown }) {
  const names = (ids) => listed(ids.map((id) => el("bdi", {}, name(id))));
  const used = asked.tags.filter((tag) => !unknown(tag));
  const tags = listed((used.length ? used : asked.seeds.length ? [] : asked.tags).map((tag) => el("bdi", {}, tag)));
  return [
    ...(asked.seeds.length ? ["Like ", ...names(asked.seeds)] : []),
    ...(tags.length ? [asked.seeds.length ? ", tagged " : "Tagged ", ...tags] : []),
    ...(asked.avoid.length ? [", unlike ", ...names(asked.avoid)] : []),
  ];
}

/** Heading of the results of a query that is not about one artist. */
export const spoken = (asked, known) => el("div", { class: "head spoken" }, heading(...said(asked, known)));

/** Note that names the unknown tags, which were ignored. */
export const leftOut = (words) =>
  words.length > 0 &&
  el(
    "p",
    { class: "note" },
    `Not known as ${words.length === 1 ? "a tag" : "tags"} and ignored: `,
    ...listed(words.map((word) => el("q", { dir: "auto" }, word))),
  );

/**
 * List the similar artists.
 * @param {object[]} similar
 * @param {{question: object, name: (id: string) => string, more: number}} asked more: the next k to offer, or 0
 */
export function results(similar, { question, name, more }) {
  const how = { alike: question.seeds.length > 0, name };
  const few = !more && similar.length < wanted(question);
  return [
    el("h2", { id: "like" }, "Similar artists", el("span", { class: "what", "aria-hidden": "true" }, "score")),
    el(
      "ol",
      { class: "artists found", role: "list", "aria-labelledby": "like" },
      ...similar.map((artist, i) => row(artist, i + 1, how)),
    ),
    more > 0 && el("p", { class: "more" }, el("button", { type: "button", "data-k": more }, "Show more")),
    few && el("p", { class: "note" }, `That is all: ${plural(similar.length, "artist")}.`),
  ].filter(Boolean);
}
