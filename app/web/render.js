// What is known of artists, as elements. Every name goes in as text, never as HTML.

/** Modalities in people's words. */
export const MODALITIES = { tags: "tags", cf: "listeners", audio: "sound" };
const ORDER = Object.keys(MODALITIES);
const number = new Intl.NumberFormat("en");

/** An element; children that are null or false are left out, strings become text. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;
export const link = (artist) => `/?artist=${encodeURIComponent(artist.id)}`;

/** An artist's name, in its own writing direction. */
export const named = (artist, tag = "span", attributes = {}) =>
  el(tag, { class: "name", dir: "auto", ...attributes }, artist.name || artist.id);

/** Modalities always in one order: that of MODALITIES, then by name. */
export function ordered(modalities) {
  const place = (m) => (ORDER.includes(m) ? ORDER.indexOf(m) : ORDER.length);
  return [...modalities].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/** The modalities that an artist has. */
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

/** Artists to choose from; `to` is where one leads. */
const choices = (artists, to = link) =>
  el(
    "ul",
    { class: "artists plain", role: "list" },
    ...artists.map((a) => el("li", {}, named(a, "a", { href: to(a) }), badges(a.modalities))),
  );

/** Said in words of their own, also where the catalog has columns of these names. */
const COUNTS = ["listeners", "plays"];

/** One line of what is known: attributes, listeners, plays. */
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

/** One artist, over those like it. */
export function head(artist) {
  return el(
    "div",
    { class: "head artist" },
    named(artist, "h1", { tabindex: "-1" }),
    ...facts(artist),
    el(
      "p",
      { class: "known" },
      artist.modalities?.length ? el("span", { class: "what" }, "known by ") : null,
      badges(artist.modalities),
    ),
  );
}

/** An artist of whom there is only a name. */
export const unknown = (artist) => [
  head(artist),
  el("p", { class: "lead" }, "Nothing is known yet that this artist could be compared by."),
  el("p", {}, "As soon as something is, similar artists appear here."),
];

const asked = (before, text) => el("div", { class: "head" }, heading(before, el("q", { dir: "auto" }, text)));
const near = (artists, to) => (artists.length ? [el("h2", {}, "Near names"), choices(artists, to)] : []);

/** Several artists share the name that was searched for; `to` is where each leads. */
export const several = (text, artists, to) => [
  asked("Several artists are called ", text),
  el("h2", {}, "Which one?"),
  choices(artists, to),
];

/** Nobody has the name that was searched for; `asTag` is where it is asked for as a tag. */
export const nobody = (text, artists, to, asTag) => [
  asked("No artist called ", text),
  !artists.length && el("p", { class: "lead" }, "Nor is there a name near it. A few letters are enough to search."),
  ...near(artists, to),
  el("p", { class: "note" }, "Is it a tag? ", el("a", { href: asTag }, "Ask for artists with it"), "."),
].filter(Boolean);

/** A link led to an artist that is not in this index. */
export const missing = (key, artists = []) => [
  asked("No artist ", key),
  el("p", { class: "lead" }, "This index has no artist with that id. It may have been removed, or renamed."),
  ...near(artists),
];

/** The first page, with a few artists to begin with. */
export const start = (examples) => [
  el("div", { class: "head" }, heading("Who else will you like?")),
  el(
    "p",
    { class: "lead" },
    "Name an artist you like, or several, and see who is most alike: ",
    "by the tags people give, by who listens, and by the sound itself. A tag will do too: ",
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

/** Something that was asked cannot be answered as it is; the question stays as it was typed. */
export const refused = (title, detail, artists = []) => [
  el("div", { class: "head" }, heading(title)),
  el("p", { class: "lead" }, detail),
  ...near(artists, link),
];

const lead = (...text) => el("p", { class: "lead" }, ...text);

/** There is no other artist to answer with. */
export const nobodyElse = () => lead("No other artist is known well enough to compare with.");

/** No artist passes the conditions; `to` asks without them. */
export const nobodyFits = (to) =>
  lead("No artist fits all of this. ", el("a", { href: to }, "Ask without the conditions"), ".");

/** None of the tags is known, and nothing else was asked with. */
export const wordless = () => lead("Nothing else was asked with, so there is nobody to be like.");

const TROUBLE = {
  0: ["The service cannot be reached", "It may be restarting, or you may be offline."],
  429: ["Too many questions at once", "Wait a moment, then try again."],
  503: ["The service is not ready", "It has no index to answer from yet."],
  overloaded: ["The service has too much to do", "Wait a moment, then try again."],
};

/** The service did not answer the question. */
export function trouble(error) {
  const kind = error.problem?.title === "overloaded" ? "overloaded" : error.status;
  const [title, advice] = TROUBLE[kind] ?? ["That did not work", "The service answered with an error."];
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

/** Grey bars in the places of an answer to come. */
export const skeleton = (rows) => [
  ghost("div", "head artist", blank("h1"), blank("p", "facts")),
  ghost("h2", "", "\u00a0"),
  ghost("ol", "artists", ...Array.from({ length: rows }, () => blank("li"))),
];
