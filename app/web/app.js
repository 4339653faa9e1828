// The page: what it shows is a function of its address, /?artist=ID&k=20 or /?q=TEXT.

import * as api from "./api.js";
import * as render from "./render.js";
import { search } from "./search.js";
import { shell } from "./shell.js";

const STEPS = [20, 50, 100, 200];
const EXAMPLES = ["s", "m", "a", "d", "t", "b"];

const main = document.getElementById("main");

const field = search({
  choose: (artist) => go(render.link(artist)),
  ask: (text) => go(`/?q=${encodeURIComponent(text)}`),
});

api.listener.version = (version) => {
  document.getElementById("version").textContent = `index ${version.slice(0, 12)}`;
};

/** The question that the address asks. */
function question() {
  const asked = new URLSearchParams(location.search);
  const k = /^\d{1,6}$/.test(asked.get("k") ?? "") ? Number(asked.get("k")) : STEPS[0];
  return {
    artist: asked.get("artist") ?? "",
    text: (asked.get("q") ?? "").trim().slice(0, 200),
    k: Math.min(STEPS.at(-1), Math.max(1, k)),
  };
}

async function artistView({ artist: key, k }, signal) {
  const [similar, known] = await Promise.allSettled([api.similar(key, k, signal), api.artist(key, signal)]);
  const about = known.status === "fulfilled" ? known.value.artist : {};
  if (similar.status === "fulfilled") {
    const { artist, similar: alike } = similar.value;
    const more = alike.length < k ? 0 : (STEPS.find((step) => step > k) ?? 0);
    return { title: artist.name, nodes: render.answer({ ...about, ...artist }, alike, more) };
  }
  const error = similar.reason;
  if (error.status === 404) return { title: "No such artist", nodes: render.missing(key, error.problem.near) };
  if (error.status === 409) {
    const artist = { id: key, name: key, ...about };
    return { title: artist.name, nodes: render.unknown(artist) };
  }
  throw error;
}

async function textView({ text }, signal) {
  try {
    const { artist } = await api.resolve(text, signal);
    return { moved: render.link(artist) };
  } catch (error) {
    if (error.status === 409) return { title: text, nodes: render.several(text, error.problem.candidates) };
    if (error.status !== 404) throw error;
    let near = error.problem.near ?? [];
    // names that begin alike are better than an empty page
    const begin = text.slice(0, Math.ceil(text.length / 2));
    if (!near.length && begin.length > 1) near = (await api.find(begin, 10, signal)).artists;
    return { title: text, nodes: render.nobody(text, near) };
  }
}

async function startView(_, signal) {
  await api.index(signal);
  const answers = await Promise.allSettled(EXAMPLES.map((letter) => api.find(letter, 1, signal)));
  const first = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value.artists : []));
  const examples = [...new Map(first.map((artist) => [artist.id, artist])).values()];
  return { title: "", nodes: render.start(examples) };
}

function settle(asked = question()) {
  field.settle(asked.artist ? "" : asked.text);
}

const { show, go } = shell({
  path: "/",
  title: "RIYL: recommended if you like",
  view: (signal) => {
    const asked = question();
    return (asked.artist ? artistView : asked.text ? textView : startView)(asked, signal);
  },
  skeleton: () => render.skeleton(question().artist ? question().k : 0),
  begin: () => {
    const asked = question();
    if (!field.typing()) settle(asked);
    if (!asked.artist && !asked.text && matchMedia("(hover: hover)").matches) field.focus();
  },
  settle,
  typing: field.typing,
});

document.addEventListener("click", (event) => {
  const clicked = event.target.closest("[data-k]");
  if (!clicked) return;
  const address = new URL(location.href);
  address.searchParams.set("k", clicked.dataset.k);
  const links = () => main.querySelectorAll(".artists > li > a");
  const before = links().length;
  history.replaceState(null, "", address);
  // on to the first artist that was not there before
  show({ focus: false }).then(() => links()[before]?.focus({ preventScroll: true }));
});

show({ focus: false });
