// API key, for a service that requires one. It is kept while the tab is open, and sent only to this service.

import { el } from "./render.js";

const NAME = "riyl-key";
let key = stored() ?? "";

function stored() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // the browser stores nothing for this page
  }
}

/** Use this key for all further requests. */
export function keep(given) {
  key = given.trim();
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // the key is then kept until the page is reloaded
  }
}

/** Return whether a key is set. */
export const kept = () => key !== "";

/** Return the request headers that carry the key. */
export const authorization = () => (key ? { authorization: `Bearer ${key}` } : {});

/** View that asks for a key, with the reason; if a key was refused, it asks for another one. */
export const asking = (detail) => [
  el("div", { class: "head" }, el("h1", { tabindex: "-1" }, "A key is needed")),
  el("p", { class: "lead" }, kept() ? detail : "This service can only be used with a key from its operator."),
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
      title: "The whole key, which starts with riyl_",
    }),
    " ",
    el("button", { type: "submit" }, "Continue"),
  ),
  el("p", { class: "what" }, "The key is forgotten when this tab is closed."),
];
