// Why an artist is similar: the shares of its score, in words and as bars.

import { el, plural, MODALITIES } from "./render.js";

const SAME = { tags: "same tags", cf: "same listeners", audio: "sounds alike" };
const FITS = { tags: "tags fit", cf: "listeners fit", audio: "sound fits" };
const COUNTED = { tags: "tag", cf: "listener", audio: "track" };
const CORRECTIONS = {
  hubness: "for being close to many artists",
  calibration: "for the kinds of data available",
  popularity: "for its popularity",
};

/** Format a share to two decimals, with a minus sign instead of a hyphen. */
export const figure = (share) => (Math.abs(share) < 0.005 ? "0.00" : share.toFixed(2).replace("-", "−"));

/** Describe a pair of modalities; `whose` refers to the artists or tags of the query. */
function words({ asked, found }, whose) {
  if (asked === found) return SAME[found] ?? `alike in ${found}`;
  return `its ${FITS[found] ?? `${found} fits`} ${whose} ${MODALITIES[asked] ?? asked}`;
}

/** Create a bar from 0 to `share`, on the common axis of all bars of an artist. */
function bar(share, kind, low, high) {
  const at = (value) => String((value - low) / (high - low));
  const made = el("span", { class: `share ${kind}`, "aria-hidden": "true" });
  made.style.setProperty("--from", at(Math.min(0, share)));
  made.style.setProperty("--to", at(Math.max(0, share)));
  made.style.setProperty("--zero", at(0));
  return made;
}

function bars({ pairs, ...why }, score, whose) {
  const corrections = Object.keys(CORRECTIONS).filter((name) => Math.abs(why[name]) >= 0.005);
  const folded = why.hubness + why.calibration + why.popularity;
  const signed = (share) => `${share > 0 ? "+" : ""}${figure(share)}`;
  const detail = corrections.map((name) => `${signed(why[name])} ${CORRECTIONS[name]}`).join(", ");
  const lines = pairs.map((pair) => ({
    text: words(pair, whose),
    share: pair.share,
    kind: pair.asked === pair.found ? (pair.found in SAME ? pair.found : "other") : "mixed",
  }));
  lines.push({ text: "corrections", share: folded, kind: "corrections", detail });
  const ends = [0, ...lines.map((line) => line.share)];
  const [low, high] = [Math.min(...ends), Math.max(...ends, 1e-9)];
  return el(
    "ul",
    { class: "shares", role: "list", "aria-label": "Shares of the score" },
    ...lines.map(({ text, share, kind, detail: more }) =>
      el(
        "li",
        {},
        el("span", { class: "part" }, text),
        bar(share, kind, low, high),
        el("span", { class: "figure" }, figure(share)),
        more && el("small", { class: "what" }, more),
      ),
    ),
    el(
      "li",
      { class: "sum" },
      el("span", { class: "part" }, "total"),
      el("span", { class: "figure" }, figure(score)),
    ),
  );
}

/** Describe the share that each of several seeds adds. */
function bySeed(seeds, name) {
  const part = ({ id, share }) => [id === null ? "the tags" : el("bdi", {}, name(id)), ` ${figure(share)}`];
  return el(
    "p",
    { class: "seeds" },
    el("span", { class: "what" }, "by part of the query: "),
    ...seeds.flatMap((seed, i) => (i ? [", ", ...part(seed)] : part(seed))),
  );
}

function common(terms) {
  return el(
    "p",
    { class: "common" },
    el("span", { class: "what" }, "tags in common "),
    ...terms.flatMap(({ term }) => [el("span", { class: "badge tags", dir: "auto" }, term), " "]),
  );
}

/** List the amount of data on the artist: '12 tags, 340 listeners, 3 tracks'. */
function evidence(counts) {
  const order = Object.keys(COUNTED);
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  const known = Object.entries(counts).sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b));
  const said = known.map(([name, n]) => (name in COUNTED ? plural(n, COUNTED[name]) : `${name}: ${n}`));
  return el("p", { class: "evidence" }, el("span", { class: "what" }, "based on "), said.join(", "));
}

/** Return the common tags, those with the greatest weights first. */
export const shared = (why, most) => Object.values(why.common).flat().slice(0, most).map(({ term }) => term);

/**
 * Show all reasons for an artist.
 * @param {object} artist with its `why` and `score`
 * @param {{alike: boolean, name: (id: string) => string}} asked alike: whether the query has artists, not tags alone
 */
export function reasons({ why, score }, asked) {
  const terms = Object.values(why.common).flat();
  return [
    bars(why, score, asked.alike ? "their" : "these"),
    why.seeds.length > 1 && bySeed(why.seeds, asked.name),
    terms.length > 0 && common(terms),
    evidence(why.evidence),
  ].filter(Boolean);
}
