// Navigation of a page: maps its address to a view, and handles history, pending views and errors.

import { ApiError, file } from "./api.js";
import * as key from "./key.js";
import { el, trouble } from "./render.js";

const KEPT = 30;
const SAVING_MS = 60_000;

/** @typedef {{focus?: boolean, top?: boolean}} How whether to focus the heading, and whether to scroll to the top */

/**
 * Keep the content of `main` in step with the address.
 * @param {{
 *   path: string, title: string,
 *   view: (signal: AbortSignal) => Promise<{title: string, nodes: Node[]} | {moved: string}>,
 *   skeleton: () => Node[],
 *   begin?: () => void, settle?: () => void, typing?: () => boolean,
 * }} page
 *   path: relative address of the page; links to it are followed without reloading. title: title if a view has none.
 *   view: returns the view of the current address. skeleton: placeholder while the first view loads.
 *   begin: called before a view loads. settle: called when an earlier view is shown again.
 *   typing: whether the user is typing, so that the focus must not move.
 * @returns {{show: (how?: How) => Promise<void>, go: (href: string, how?: How) => Promise<void>}}
 */
export function shell({ path, title, view, skeleton, begin = () => {}, settle = () => {}, typing = () => false }) {
  const main = document.getElementById("main");
  const seen = new Map();
  const home = new URL(path, location).pathname;
  const here = () => location.pathname + location.search;
  let wanted = new AbortController();

  function put(answer) {
    main.replaceChildren(...answer.nodes);
    main.removeAttribute("aria-busy");
    document.title = answer.title ? `${answer.title} · RIYL` : title;
  }

  /** Remember a view, so that going back shows it at once, at its former scroll position. */
  function keep(place, answer) {
    seen.delete(place);
    seen.set(place, answer);
    if (seen.size > KEPT) seen.delete(seen.keys().next().value);
  }

  /** Show the view of the address. The former view stays until the new one has loaded. */
  async function show({ focus = true, top = false } = {}) {
    wanted.abort();
    wanted = new AbortController();
    const { signal } = wanted;
    const place = here();
    begin();
    main.setAttribute("aria-busy", "true");
    if (!main.querySelector("h1")) main.replaceChildren(...skeleton());
    let answer;
    try {
      answer = await view(signal);
      if (signal.aborted) return;
      if (answer.moved) {
        history.replaceState(null, "", answer.moved);
        await show({ focus, top });
        return;
      }
      keep(place, answer);
    } catch (error) {
      if (signal.aborted) return;
      answer = refusal(error);
    }
    put(answer);
    if (top) scrollTo(0, 0);
    if (focus && here() !== home && !typing()) main.querySelector("h1")?.focus({ preventScroll: true });
  }

  function refusal(error) {
    if (!(error instanceof ApiError)) console.error(error);
    const nodes = error.status === 401 ? key.asking(error.message) : trouble(error);
    return { title: "Error", nodes };
  }

  /** Save the target of a link as a file: the browser itself would request it without the key. */
  async function save(path) {
    try {
      const found = await file(path);
      const href = URL.createObjectURL(found);
      const name = `${path.split("/").slice(1).join("-")}${found.type.startsWith("text/html") ? ".html" : ".json"}`;
      el("a", { href, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(href), SAVING_MS);
    } catch (error) {
      put(refusal(error));
    }
  }

  function go(href, how = { top: true }) {
    if (new URL(href, location).href !== location.href) history.pushState(null, "", href);
    return show(how);
  }

  document.addEventListener("click", (event) => {
    // with a modifier key held, the browser opens a tab or a window
    const held = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (event.defaultPrevented || event.button || held) return;
    const clicked = event.target.closest("a, button");
    if (clicked?.matches("a") && clicked.origin === location.origin && clicked.pathname === home && !clicked.hash) {
      event.preventDefault();
      go(clicked.href);
    } else if (clicked?.matches('a[href^="v1/"]') && key.kept()) {
      event.preventDefault();
      save(clicked.getAttribute("href"));
    } else if (clicked?.matches("[data-retry]")) {
      show();
    }
  });

  // in the capture phase, before the page's own forms, whose values go into the address
  document.addEventListener(
    "submit",
    (event) => {
      if (!event.target.matches("[data-key]")) return;
      event.preventDefault();
      event.stopPropagation();
      key.keep(new FormData(event.target).get("key"));
      show();
    },
    true,
  );

  addEventListener("popstate", () => {
    const answer = seen.get(here());
    if (!answer) {
      show();
      return;
    }
    wanted.abort();
    settle();
    put(answer);
  });

  return { show, go };
}
