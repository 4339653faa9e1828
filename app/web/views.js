// Views of an address: the similar artists of a query, the artists of a name, the start view, or an error.

import * as api from "./api.js";
import { ConditionError } from "./conditions.js";
import * as ask from "./question.js";
import * as render from "./render.js";
import { leftOut, results, spoken } from "./results.js";

const EXAMPLES = ["s", "m", "a", "d", "t", "b"];
const NOTHING_KNOWN = "urn:riyl:problem:nothing-known-yet";
const OLDER = "urn:riyl:problem:version-of-an-older-format";

/** Fetch the response, with reasons if the version holds them. */
async function answered(asked, signal) {
  const from = (explain) =>
    ask.plain(asked)
      ? api.similar(asked.seeds[0], ask.wanted(asked), explain, signal)
      : api.similarTo(ask.body(asked, explain), signal);
  try {
    return await from(true);
  } catch (error) {
    if (error.problem?.type !== OLDER) throw error;
    return from(false);
  }
}

/** View of the similar artists. */
async function answerView(asked, signal, known) {
  const [key] = asked.seeds;
  const alone = ask.alone(asked);
  const [found, about] = await Promise.allSettled([answered(asked, signal), alone ? api.artist(key, signal) : null]);
  if (about.value) known.artists([about.value.artist], [key]);
  if (found.status === "rejected") return refusedView(asked, about.value?.artist, found.reason, signal, known);
  const { artist, similar, asked: understood } = found.value;
  known.artists([...similar, ...(artist ? [artist] : [])]);
  known.understood(asked, understood);
  const k = ask.wanted(asked);
  const more = similar.length < k ? 0 : (ask.STEPS.find((step) => step > k) ?? 0);
  const one = { id: key, name: known.name(key), ...about.value?.artist, ...artist };
  const head = alone ? render.head(one) : spoken(asked, known);
  const nodes = [
    head,
    leftOut(understood?.unknown_tags ?? []),
    ...(similar.length ? results(similar, { question: asked, name: known.name, more }) : [none(asked)]),
  ];
  return { title: alone ? one.name : head.textContent, nodes: nodes.filter(Boolean) };
}

function none(asked) {
  const bare = ask.address(ask.bare(asked));
  return ask.address(asked) === bare ? render.nobodyElse() : render.nobodyFits(bare);
}

/** View that explains the error of a query. The names of its artists are looked up, else chips would show ids. */
async function refusedView(asked, about, error, signal, known) {
  if (error instanceof ConditionError) return refused("Invalid condition", error.message);
  if (![404, 409, 422].includes(error.status)) throw error;
  const { type, near } = error.problem;
  const unnamed = [...asked.seeds, ...asked.avoid].filter((id) => !known.has(id));
  const found = await Promise.allSettled(unnamed.map((id) => api.artist(id, signal)));
  found.forEach(({ value }, i) => value && known.artists([value.artist], [unnamed[i]]));
  const [key] = asked.seeds;
  if (error.status === 404 && ask.plain(asked)) return { title: "No such artist", nodes: render.missing(key, near) };
  if (error.status === 404) return refused("One of the artists was not found", error.message, near);
  if (type === NOTHING_KNOWN && !asked.seeds.length) {
    known.understood(asked, { unknown_tags: asked.tags });
    return { title: "Unknown tags", nodes: [spoken(asked, known), leftOut(asked.tags), render.wordless()] };
  }
  if (type === NOTHING_KNOWN && ask.alone(asked)) {
    const artist = { id: key, name: known.name(key), ...about };
    return { title: artist.name, nodes: render.unknown(artist) };
  }
  return refused("This query cannot be answered", error.message);
}

const refused = (title, detail, near) => ({ title, nodes: render.refused(title, detail, near) });

/** View of a typed name: its artist, several artists, or none. */
async function textView(asked, signal, known) {
  const { text } = asked;
  const added = (list, each) => ask.address({ ...ask.added(asked, list, each), text: "" });
  const to = (artist) => added("seeds", artist.id);
  try {
    const { artist } = await api.resolve(text, signal);
    known.artists([artist]);
    return { moved: to(artist) };
  } catch (error) {
    if (error.status === 409) {
      known.artists(error.problem.candidates ?? []);
      return { title: text, nodes: render.several(text, error.problem.candidates ?? [], to) };
    }
    if (error.status !== 404) throw error;
    let near = error.problem.near ?? [];
    // names with the same beginning are better than an empty page
    const begin = text.slice(0, Math.ceil(text.length / 2));
    if (!near.length && begin.length > 1) near = (await api.find(begin, 10, signal)).artists;
    known.artists(near);
    return { title: text, nodes: render.nobody(text, near, to, added("tags", text)) };
  }
}

async function startView(_, signal, known) {
  await api.index(signal);
  const answers = await Promise.allSettled(EXAMPLES.map((letter) => api.find(letter, 1, signal)));
  const first = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value.artists : []));
  const examples = [...new Map(first.map((artist) => [artist.id, artist])).values()];
  known.artists(examples);
  return { title: "", nodes: render.start(examples) };
}

const seedless = () => refused("Similar to which artist?", "The query has no artist and no tag yet. Add one above.");

/**
 * Return the view of a query.
 * @param {object} asked
 * @param {AbortSignal} signal
 * @param {object} known the page's memory, to which names are added
 * @returns {Promise<{title: string, nodes: Node[]} | {moved: string}>}
 * @throws {api.ApiError} the service failed for a reason other than the query
 */
export function view(asked, signal, known) {
  if (asked.text) return textView(asked, signal, known);
  if (ask.asks(asked)) return answerView(asked, signal, known);
  return ask.empty(asked) ? startView(asked, signal, known) : seedless();
}
