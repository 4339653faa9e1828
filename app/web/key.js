// The key to ask with, where reading needs one. It is kept as long as its tab is open, and sent to this service alone.

import { el } from "./render.js";

const NAME = "riyl-key";
let key = stored() ?? "";

function stored() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

/** Ask with this key from now on. */
export function keep(given) {
  key = given.trim();
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // then until the page is loaded anew
  }
}

/** Whether there is a key. */
export const kept = () => key !== "";

/** The headers of a request that say the key. */
export const authorization = () => (key ? { authorization: `Bearer ${key}` } : {});

/** Asks for a key, why there has to be one, and another one where there was one. */
export const asking = (detail) => [
  el("div", { class: "head" }, el("h1", { tabindex: "-1" }, "A key is needed")),
  el("p", { class: "lead" }, kept() ? detail : "Who runs this service lets in those who have a key of it."),
  el(
    "form",
    { class: "key", "data-key": "" },
    el("label", { for: "key" }, "Key"),
    " ",
    el("input", {
      id: "key",
      name: "key",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      required: "",
      pattern: "\\s*riyl_[0-9a-f]{8}_[A-Za-z0-9_\\-]{43}\\s*",
      title: "riyl_ and what follows, as it was shown once",
    }),
    " ",
    el("button", { type: "submit" }, "Go on"),
  ),
  el("p", { class: "what" }, "It is forgotten when this tab is closed."),
];
