// Facts from earlier responses: names of artists, so that chips need not request them, and unknown tags.

import { condition, ConditionError } from "./conditions.js";

/** Create a memory that lasts as long as the page. */
export function memory() {
  const names = new Map();
  const unknown = new Set();

  /**
   * Remember the names of artists.
   * @param {{id: string, name?: string}[]} found
   * @param {string[]} keys keys by which they were requested, where these are not their ids
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
    /** Remember how a query was resolved: its artists, in their order, and its unknown tags. */
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
