// What answers have told: names of artists, so that chips need not ask for them, and tags that are not known.

import { condition, ConditionError } from "./conditions.js";

/** A memory that lasts as long as the page. */
export function memory() {
  const names = new Map();
  const unknown = new Set();

  /**
   * Keep the names of artists.
   * @param {{id: string, name?: string}[]} found
   * @param {string[]} keys what they were asked for by, where that is not their id
   */
  function artists(found, keys = []) {
    found.forEach(({ id, name }, i) => {
      if (!name) return;
      names.set(id, name);
      if (keys[i]) names.set(keys[i], name);
    });
  }

  return {
    artists,
    /** Keep how a question was understood: its artists, in their order, and the tags that nobody knows. */
    understood: (asked, { seeds = [], avoid = [], unknown_tags: words = [] } = {}) => {
      artists(seeds, asked.seeds);
      artists(avoid, asked.avoid);
      for (const tag of asked.tags) unknown.delete(tag);
      for (const tag of words) unknown.add(tag);
    },
    has: (id) => names.has(id),
    name: (id) => names.get(id) ?? id,
    unknown: (tag) => unknown.has(tag),
    wrong: (typed) => {
      try {
        condition(typed);
        return false;
      } catch (error) {
        if (error instanceof ConditionError) return true;
        throw error;
      }
    },
  };
}
