// The query in the address: /?artist=ID&artist=ID&avoid=ID&tag=WORD&where=country=GB&having=audio
// &min_listeners=10&max_listeners=500&diversity=0.3&popularity=-0.5&q=TEXT&k=50.

import { conditions } from "./conditions.js";

export const STEPS = [20, 50, 100, 200];

const NOTHING = Object.freeze({
  seeds: [],
  avoid: [],
  tags: [],
  where: [],
  having: [],
  least: null,
  most: null,
  diversity: 0,
  popularity: 0,
  text: "",
  k: null,
});

const PLACES = { seeds: "artist", avoid: "avoid", tags: "tag", where: "where", having: "having" };

const whole = (text) => (/^\d{1,12}$/.test(text ?? "") ? Number(text) : null);

/** Parse a number, rounded to tenths and clipped to a range, as the sliders have it; 0 if it is not a number. */
function between(text, low, high) {
  const found = Number(text ?? 0);
  return Number.isFinite(found) ? Math.round(Math.min(high, Math.max(low, found)) * 10) / 10 : 0;
}

/**
 * Parse the query of an address.
 * @param {string} search from "?" on
 */
export function question(search) {
  const asked = new URLSearchParams(search);
  const all = (place) => [...new Set(asked.getAll(place).map((each) => each.trim()).filter(Boolean))];
  const k = /^\d{1,6}$/.test(asked.get("k") ?? "") ? Number(asked.get("k")) : null;
  return {
    ...Object.fromEntries(Object.entries(PLACES).map(([name, place]) => [name, all(place)])),
    least: whole(asked.get("min_listeners")),
    most: whole(asked.get("max_listeners")),
    diversity: between(asked.get("diversity"), 0, 1),
    popularity: between(asked.get("popularity"), -1, 1),
    text: (asked.get("q") ?? "").trim().slice(0, 200),
    k: k === null ? null : Math.min(STEPS.at(-1), Math.max(1, k)),
  };
}

/** Build the address of a query; default values are omitted. */
export function address(asked) {
  const lists = Object.entries(PLACES).flatMap(([name, place]) => asked[name].map((each) => [place, each]));
  const single = {
    min_listeners: asked.least,
    max_listeners: asked.most,
    diversity: asked.diversity || null,
    popularity: asked.popularity || null,
    q: asked.text || null,
    k: asked.k,
  };
  const given = [...lists, ...Object.entries(single).filter(([, value]) => value !== null)];
  return given.length ? `./?${given.map(([place, value]) => `${place}=${encodeURIComponent(value)}`).join("&")}` : "./";
}

export const wanted = (asked) => asked.k ?? STEPS[0];

/** Return whether a query has an artist or a tag to find similar artists for. */
export const asks = (asked) => asked.seeds.length > 0 || asked.tags.length > 0;

/** Return whether a query has exactly one artist, no tags and no artists to avoid; conditions do not matter. */
export const alone = (asked) => asked.seeds.length === 1 && !asked.tags.length && !asked.avoid.length;

/** Return a query without its conditions and sliders. */
export const bare = (asked) => ({
  ...NOTHING,
  seeds: asked.seeds,
  avoid: asked.avoid,
  tags: asked.tags,
  text: asked.text,
  k: asked.k,
});

/** Return whether a query is one artist and nothing else, which GET similar can answer. */
export function plain(asked) {
  return asked.seeds.length === 1 && address({ ...asked, k: null }) === address({ ...NOTHING, seeds: asked.seeds });
}

/** Return whether a query is empty. */
export const empty = (asked) => address({ ...asked, k: null }) === "./";

const and = (list, each) => (list.includes(each) ? list : [...list, each]);
const without = (list, each) => list.filter((other) => other !== each);

/** Add an entry to a list of a query; a seed is removed from the artists to avoid, and the reverse. */
export function added(asked, list, each) {
  const other = { seeds: "avoid", avoid: "seeds" }[list];
  const freed = other ? { [other]: without(asked[other], each) } : {};
  return { ...asked, ...freed, [list]: and(asked[list], each) };
}

export const dropped = (asked, list, each) => ({ ...asked, [list]: without(asked[list], each) });

/**
 * Parse the tags of `tag:dub` or `tag:dub, roots`; null if the text has another form.
 * @returns {string[] | null} empty if nothing follows the colon
 */
export function tagsIn(text) {
  const found = /^tags?:(.*)$/isu.exec(text.trim());
  if (!found) return null;
  return [...new Set(found[1].split(",").map((word) => word.trim()).filter(Boolean))];
}

/**
 * Build the body of POST similar.
 * @throws {ConditionError} a condition is invalid
 */
export function body(asked, explain) {
  const bounds = { ...(asked.least !== null && { gte: asked.least }), ...(asked.most !== null && { lte: asked.most }) };
  return {
    seeds: asked.seeds.map((id) => ({ id })),
    avoid: asked.avoid.map((id) => ({ id })),
    tags: Object.fromEntries(asked.tags.map((tag) => [tag, 1])),
    k: wanted(asked),
    filters: { attributes: conditions(asked.where), listeners: bounds, modalities: asked.having },
    diversity: asked.diversity,
    popularity: asked.popularity,
    explain,
  };
}
