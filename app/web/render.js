// Elements that show artists. Every name is inserted as text, never as HTML.

/** Modalities in everyday words. */
export const MODALITIES = { tags: "tags", cf: "listeners", audio: "sound" };
const ORDER = Object.keys(MODALITIES);
const number = new Intl.NumberFormat("en");

/** Create an element; children that are null or false are skipped, strings become text. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;
export const link = (artist) => `./?artist=${encodeURIComponent(artist.id)}`;

/** Show an artist's name, in its own writing direction. */
export const named = (artist, tag = "span", attributes = {}) =>
  el(tag, { class: "name", dir: "auto", ...attributes }, artist.name || artist.id);

/** Sort modalities: in the order of MODALITIES, then by name. */
export function ordered(modalities) {
  const place = (m) => (ORDER.includes(m) ? ORDER.indexOf(m) : ORDER.length);
  return [...modalities].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** Show the modalities of an artist. */
export function badges(modalities = []) {
  return el(
    "span",
    { class: "badges" },
    ...ordered(modalities).flatMap((m) => [
      el("span", { class: `badge ${ORDER.includes(m) ? m : "other"}` }, MODALITIES[m] ?? m),
      " ",
    ]),
  );
}

export const heading = (...text) => el("h1", { tabindex: "-1" }, ...text);

/** List artists to choose from; `to` returns the address of one. */
const choices = (artists, to = link) =>
  el(
    "ul",
    { class: "artists plain", role: "list" },
    ...artists.map((a) => el("li", {}, named(a, "a", { href: to(a) }), badges(a.modalities))),
  );

/** Attributes that are shown separately, also if the catalog has columns of these names. */
const COUNTS = ["listeners", "plays"];

/** Show the attributes, listeners, plays and aliases of an artist. */
function facts(artist) {
  const known = Object.entries(artist.attributes ?? {})
    .filter(([name, value]) => !COUNTS.includes(name) && value !== null && value !== "" && String(value).length <= 60)
    .slice(0, 6)
    .map(([name, value]) => [name.replaceAll("_", " "), Array.isArray(value) ? value.join(", ") : String(value)]);
  const parts = known.map(([name, value]) => el("span", {}, el("span", { class: "what" }, `${name} `), value));
  if (artist.listeners > 0) parts.push(el("span", {}, plural(artist.listeners, "listener")));
  if (artist.plays > 0) parts.push(el("span", {}, plural(artist.plays, "play")));
  const aliases = (artist.aliases ?? []).slice(0, 5).join(", ");
  return [
    el("p", { class: "facts" }, ...parts.flatMap((part, i) => (i ? [" · ", part] : [part]))),
    aliases && el("p", { class: "aliases", dir: "auto" }, el("span", { class: "what" }, "also known as "), aliases),
  ];
}

/** Show one artist, above the list of similar artists. */
export function head(artist) {
  return el(
    "div",
    { class: "head artist" },
    named(artist, "h1", { tabindex: "-1" }),
    ...facts(artist),
    el(
      "p",
      { class: "known" },
      artist.modalities?.length ? el("span", { class: "what" }, "compared by ") : null,
      badges(artist.modalities),
    ),
  );
}

/** View of an artist without data. */
export const unknown = (artist) => [
  head(artist),
  el("p", { class: "lead" }, "There is no data yet to compare this artist by."),
  el("p", {}, "Similar artists will appear here once there is."),
];

const asked = (before, text) => el("div", { class: "head" }, heading(before, el("q", { dir: "auto" }, text)));
const near = (artists, to) => (artists.length ? [el("h2", {}, "Similar names"), choices(artists, to)] : []);

/** View for a name that several artists share; `to` returns the address of one. */
export const several = (text, artists, to) => [
  asked("Several artists are called ", text),
  el("h2", {}, "Which one?"),
  choices(artists, to),
];

/** View for a name that no artist has; `asTag` is the address that searches for it as a tag. */
export const nobody = (text, artists, to, asTag) => [
  asked("No artist called ", text),
  !artists.length && el("p", { class: "lead" }, "There is no similar name either. A few letters are enough to search."),
  ...near(artists, to),
  el("p", { class: "note" }, "Is it a tag? ", el("a", { href: asTag }, "Find artists with this tag"), "."),
].filter(Boolean);

/** View for a link to an artist that is not in this index. */
export const missing = (key, artists = []) => [
  asked("No artist ", key),
  el("p", { class: "lead" }, "There is no artist with this id. It may have been removed or renamed."),
  ...near(artists),
];

/** Start view, with a few example artists. */
export const start = (examples) => [
  el("div", { class: "head" }, heading("Who else will you like?")),
  el(
    "p",
    { class: "lead" },
    "Enter one or more artists that you like, and see the most similar artists: ",
    "by the tags people give them, by their listeners, and by their sound. You can also enter a tag: ",
    el("code", {}, "tag:dub"),
    ".",
  ),
  el(
    "p",
    { class: "examples" },
    ...(examples.length ? [el("span", { class: "what" }, "For instance")] : []),
    ...examples.flatMap((artist) => [" ", named(artist, "a", { href: link(artist) })]),
  ),
];

/** View for a query that cannot be answered; the query stays as it was typed. */
export const refused = (title, detail, artists = []) => [
  el("div", { class: "head" }, heading(title)),
  el("p", { class: "lead" }, detail),
  ...near(artists, link),
];

const lead = (...text) => el("p", { class: "lead" }, ...text);

/** Text if there is no other artist to show. */
export const nobodyElse = () => lead("There is no other artist with data to compare with.");

/** Text if no artist meets the conditions; `to` is the address without them. */
export const nobodyFits = (to) =>
  lead("No artist meets all conditions. ", el("a", { href: to }, "Search without the conditions"), ".");

/** Text if none of the tags is known, and the query has nothing else. */
export const wordless = () => lead("The query has no other tag and no artist, so there is nothing to compare with.");

const TROUBLE = {
  0: ["The service cannot be reached", "It may be restarting, or you may be offline."],
  429: ["Too many requests at once", "Wait a moment, then try again."],
  503: ["The service is not ready", "It has no index to answer from yet."],
  overloaded: ["The service is overloaded", "Wait a moment, then try again."],
};

/** View for an error of the service. */
export function trouble(error) {
  const kind = error.problem?.title === "overloaded" ? "overloaded" : error.status;
  const [title, advice] = TROUBLE[kind] ?? ["Something went wrong", "The service answered with an error."];
  const { detail, request_id: request } = error.problem ?? {};
  return [
    el("div", { class: "head" }, heading(title)),
    el("p", { class: "lead" }, detail || advice),
    el("p", {}, el("button", { type: "button", "data-retry": "" }, "Try again")),
    ...(request ? [el("p", { class: "what" }, `request ${request}`)] : []),
  ];
}

const ghost = (tag, kind, ...children) => el(tag, { class: `${kind} ghost`, "aria-hidden": "true" }, ...children);
const blank = (tag, kind = "") => el(tag, { class: kind }, "\u00a0");

/** Grey bars as placeholders for results. */
export const skeleton = (rows) => [
  ghost("div", "head artist", blank("h1"), blank("p", "facts")),
  ghost("h2", "", "\u00a0"),
  ghost("ol", "artists", ...Array.from({ length: rows }, () => blank("li"))),
];
