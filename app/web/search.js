// Search field: a combobox with a list of suggestions (WAI-ARIA authoring practices, list autocomplete).

import { ApiError, find } from "./api.js";
import { tagsIn } from "./question.js";
import { badges, el, named, plural } from "./render.js";

const WAIT_MS = 120;
const SHOWN = 8;

/**
 * Activate the field.
 * @param {{choose: (artist: {id: string}) => void, ask: (text: string) => void, tags: (words: string[]) => void}} on
 *   choose: an artist was chosen; ask: Enter was pressed on typed text; tags: words were typed after `tag:`
 * @returns {{settle: (text: string) => void, focus: () => void, typing: () => boolean}}
 */
export function search(on) {
  const form = document.getElementById("search");
  const input = document.getElementById("q");
  const popup = document.getElementById("popup");
  const list = document.getElementById("suggestions");
  const note = document.getElementById("search-note");
  const status = document.getElementById("search-status");
  let found = [];
  let active = -1;
  let settled = "";
  let timer = 0;
  let asked = new AbortController();

  function close() {
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
    activate(-1);
  }

  function open() {
    popup.hidden = found.length === 0 && note.textContent === "";
    input.setAttribute("aria-expanded", String(found.length > 0));
  }

  function activate(at) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = at;
    const option = list.children[at];
    if (option) {
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", option.id);
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  /** Offer artists, or all tags together as `{words}`. */
  function offer(choices, message) {
    found = choices;
    activate(-1);
    list.replaceChildren(
      ...choices.map((choice, i) =>
        el(
          "li",
          { id: `suggestion-${i}`, role: "option", "aria-selected": "false" },
          ...(choice.words ? tagged(choice.words) : shown(choice)),
        ),
      ),
    );
    note.textContent = message;
    status.textContent = message || plural(choices.length, "suggestion");
    open();
  }

  const tagged = (words) => ["Tagged ", el("span", { class: "name", dir: "auto" }, words.join(", "))];

  const shown = (artist) => [
    named(artist),
    artist.listeners > 0 && el("span", { class: "count" }, plural(artist.listeners, "listener")),
    badges(artist.modalities),
  ];

  /** Cancel the pending request, so that its response is not shown. */
  function drop() {
    clearTimeout(timer);
    asked.abort();
    asked = new AbortController();
  }

  async function suggest(text) {
    drop();
    const words = tagsIn(text);
    if (words) {
      offer(words.length ? [{ words }] : [], words.length ? "" : "Enter a tag after the colon, as in tag:dub.");
      return;
    }
    const { signal } = asked;
    try {
      const { artists } = await find(text, SHOWN, signal);
      if (!signal.aborted) offer(artists, artists.length ? "" : `No artist called “${text}”.`);
    } catch (error) {
      if (signal.aborted) return;
      const away = error instanceof ApiError && error.status === 0;
      offer([], away ? "The service cannot be reached." : `The search failed: ${error.message}`);
    }
  }

  function take(choice) {
    settle("");
    if (choice.words) on.tags(choice.words);
    else on.choose(choice);
  }

  /** Show `text`, without suggestions, and cancel the pending request. */
  function settle(text) {
    drop();
    settled = text;
    input.value = text;
    found = [];
    list.replaceChildren();
    note.textContent = "";
    status.textContent = "";
    close();
  }

  input.addEventListener("input", () => {
    drop();
    const text = input.value.trim();
    if (text) timer = setTimeout(() => suggest(text), WAIT_MS);
    else settle(input.value);
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (popup.hidden && !found.length && input.value.trim()) suggest(input.value.trim());
      if (popup.hidden) open();
      // one place more than there are options: the field itself, where no option is active
      const places = found.length + 1;
      if (found.length) activate(((active + 1 + step + places) % places) - 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (popup.hidden) settle("");
      else {
        drop();
        close();
      }
    }
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    const words = tagsIn(text);
    if (found[active]) take(found[active]);
    else if (words?.length) take({ words });
    else if (words) suggest(text);
    else if (text) {
      settle(text);
      on.ask(text);
    }
  });

  input.addEventListener("focus", () => found.length && open());
  input.addEventListener("blur", close);
  // the field keeps the focus; else its blur would close the list before the click
  popup.addEventListener("pointerdown", (event) => event.preventDefault());
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const choice = found[[...list.children].indexOf(event.target.closest("[role=option]"))];
    if (choice) take(choice);
  });

  // text that was typed while this script was loading
  if (input.value) input.dispatchEvent(new Event("input"));

  return {
    settle,
    focus: () => input.focus({ preventScroll: true }),
    typing: () => document.activeElement === input && input.value !== settled,
  };
}
