// The page. Its content is a function of its address; question.js maps addresses to queries.

import * as api from "./api.js";
import { chips } from "./chips.js";
import { memory } from "./memory.js";
import * as ask from "./question.js";
import { refine } from "./refine.js";
import { skeleton } from "./render.js";
import { search } from "./search.js";
import { shell } from "./shell.js";
import { view } from "./views.js";

const main = document.getElementById("main");
const panel = document.getElementById("refine");
const known = memory();
const row = chips(document.getElementById("asked"));
const now = () => ask.question(location.search);

/** Add an entry to a list of the query, and clear the typed text. */
const add = (list, each) => go(ask.address({ ...ask.added(now(), list, each), text: "" }));

const field = search({
  choose: (artist) => {
    known.artists([artist]);
    add("seeds", artist.id);
  },
  tags: (words) => {
    const asked = words.reduce((each, word) => ask.added(each, "tags", word), now());
    go(ask.address({ ...asked, text: "" }));
  },
  ask: (text) => go(ask.address({ ...now(), text })),
});

const refined = refine((part) => go(ask.address({ ...now(), ...part }), { focus: false }));

api.listener.version = (version) => {
  document.getElementById("version").textContent = `index ${version.slice(0, 12)}`;
};

/** Show the query of the address in the field, the chips and the panel. */
function settle() {
  const asked = now();
  field.settle(asked.text);
  begin(asked);
}

function begin(asked) {
  row.show(asked, known);
  refined.show(asked);
  panel.hidden = ask.empty(asked) || (asked.text !== "" && !ask.asks(asked));
}

const { show, go } = shell({
  path: "./",
  title: "RIYL: recommended if you like",
  view: async (signal) => {
    const asked = now();
    try {
      return await view(asked, signal, known);
    } finally {
      // the response brings names and unknown tags
      if (!signal.aborted) row.show(asked, known);
    }
  },
  skeleton: () => skeleton(ask.asks(now()) && !now().text ? ask.wanted(now()) : 0),
  begin: () => {
    const asked = now();
    if (!field.typing()) field.settle(asked.text);
    begin(asked);
    if (ask.empty(asked) && matchMedia("(hover: hover)").matches) field.focus();
  },
  settle,
  typing: field.typing,
});

main.addEventListener("click", (event) => {
  const clicked = event.target.closest("button");
  if (clicked?.dataset.add) add(clicked.dataset.add, clicked.dataset.id);
  if (clicked?.dataset.k) more(Number(clicked.dataset.k));
});

function more(k) {
  const links = () => main.querySelectorAll(".found .who > a");
  const before = links().length;
  history.replaceState(null, "", ask.address({ ...now(), k }));
  // focus the first artist that was not shown before
  show({ focus: false }).then(() => links()[before]?.focus({ preventScroll: true }));
}

document.getElementById("asked").addEventListener("click", (event) => {
  const clicked = event.target.closest("[data-drop]");
  if (!clicked) return;
  const place = row.place(clicked);
  go(ask.address(ask.dropped(now(), clicked.dataset.drop, clicked.dataset.value)), { focus: false });
  // focus the next chip, or the field if no chip is left
  (row.at(place) ?? document.getElementById("q")).focus();
});

/** Request for the modalities and attributes that the panel offers; sent when the panel is first opened. */
let offered = null;
panel.addEventListener("toggle", () => {
  if (panel.open) offered ??= offer();
});

async function offer() {
  // any artist lists all attributes of the catalog
  const one = main.querySelector("[data-id]")?.dataset.id ?? now().seeds[0];
  try {
    const [{ modalities }, found] = await Promise.all([api.index(), one && api.artist(one)]);
    refined.modalities(Object.keys(modalities));
    if (found) refined.attributes(Object.keys(found.artist.attributes));
    else offered = null;
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    offered = null;
  }
}

show({ focus: false });
