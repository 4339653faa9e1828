// What is known of artists, as elements. Every name goes in as text, never as HTML.

const WORDS = { tags: "tags", cf: "listeners", audio: "sound" };
const ORDER = Object.keys(WORDS);
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

/** The modalities that an artist has, in people's words and always in one order. */
export function badges(modalities = []) {
  const place = (m) => (ORDER.includes(m) ? ORDER.indexOf(m) : ORDER.length);
  const sorted = [...modalities].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
  return el(
    "span",
    { class: "badges" },
    ...sorted.flatMap((m) => [
      el("span", { class: `badge ${ORDER.includes(m) ? m : "other"}` }, WORDS[m] ?? m),
      " ",
    ]),
  );
}

function bar(score) {
  const made = el("span", { class: "bar", "aria-hidden": "true" });
  made.style.setProperty("--score", String(Math.min(1, Math.max(0, score))));
  return made;
}

function row(artist, rank) {
  const scored = typeof artist.score === "number";
  return el(
    "li",
    {},
    rank !== undefined && el("span", { class: "rank", "aria-hidden": "true" }, String(rank)),
    named(artist, "a", { href: link(artist) }),
    badges(artist.modalities),
    scored && bar(artist.score),
    scored && el("span", { class: "score" }, el("span", { class: "unseen" }, "score "), artist.score.toFixed(2)),
  );
}

export const heading = (...text) => el("h1", { tabindex: "-1" }, ...text);
const choices = (artists) => el("ul", { class: "artists plain", role: "list" }, ...artists.map((a) => row(a)));

/** One line of what is known: attributes, listeners, plays. */
function facts(artist) {
  const known = Object.entries(artist.attributes ?? {})
    .filter(([, value]) => value !== null && value !== "" && String(value).length <= 60)
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

function head(artist) {
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

/** An artist and those like it; `more` is the k to offer next, or 0. */
export function answer(artist, similar, more) {
  if (!similar.length) {
    return [head(artist), el("p", { class: "lead" }, "No other artist is known well enough to compare with.")];
  }
  return [
    head(artist),
    el("h2", { id: "like" }, "Similar artists", el("span", { class: "what", "aria-hidden": "true" }, "score")),
    el("ol", { class: "artists", role: "list", "aria-labelledby": "like" }, ...similar.map((a, i) => row(a, i + 1))),
    more > 0 && el("p", { class: "more" }, el("button", { type: "button", "data-k": more }, "Show more")),
  ].filter(Boolean);
}

/** An artist of whom there is only a name. */
export const unknown = (artist) => [
  head(artist),
  el("p", { class: "lead" }, "Nothing is known yet that this artist could be compared by."),
  el("p", {}, "As soon as something is, similar artists appear here."),
];

const asked = (before, text) => el("div", { class: "head" }, heading(before, el("q", { dir: "auto" }, text)));
const near = (artists) => (artists.length ? [el("h2", {}, "Near names"), choices(artists)] : []);

/** Several artists share the name that was searched for. */
export const several = (text, artists = []) => [
  asked("Several artists are called ", text),
  el("h2", {}, "Which one?"),
  choices(artists),
];

/** Nobody has the name that was searched for. */
export const nobody = (text, artists) => [
  asked("No artist called ", text),
  ...near(artists),
  !artists.length && el("p", { class: "lead" }, "Nor is there a name near it. A few letters are enough to search."),
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
    "Name an artist you like and see who is most alike: ",
    "by the tags people give, by who listens, and by the sound itself.",
  ),
  el(
    "p",
    { class: "examples" },
    ...(examples.length ? [el("span", { class: "what" }, "For instance")] : []),
    ...examples.flatMap((artist) => [" ", named(artist, "a", { href: link(artist) })]),
  ),
];

const TROUBLE = {
  0: ["The service cannot be reached", "It may be restarting, or you may be offline."],
  429: ["Too many questions at once", "Wait a moment, then try again."],
  503: ["The service is not ready", "It has no index to answer from yet."],
};

/** The service did not answer the question. */
export function trouble(error) {
  const [title, advice] = TROUBLE[error.status] ?? ["That did not work", "The service answered with an error."];
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
