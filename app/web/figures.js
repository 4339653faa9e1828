// What the views of evaluations share: addresses, figures, times, and where a view stands.

import { el, heading } from "./render.js";

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const NUMBER = new Intl.NumberFormat("en");

/** The address of a view of this page. */
export const address = (values) => `/evaluations?${new URLSearchParams(values)}`;

/** A figure from 0 to 1; a dash where it is undefined. */
export const figure = (value) => (typeof value === "number" ? value.toFixed(3) : "–");

/** A difference, with its sign. */
export const signed = (value) =>
  typeof value === "number" ? `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}` : "–";

/** An interval; nothing where it is undefined. */
const between = (low, high, show = figure) => (typeof low === "number" ? `${show(low)} to ${show(high)}` : "");

export const count = (n) => NUMBER.format(n);
export const asks = (n) => (n === 1 ? "1 query" : `${count(n)} queries`);
export const day = (at) => DAY.format(new Date(at));
export const clock = (at) => MOMENT.format(new Date(at));
export const moment = (at) => el("time", { datetime: at }, clock(at));

/** Where a view stands among the others. */
export const trail = (...steps) =>
  el(
    "nav",
    { class: "trail", "aria-label": "Where this is" },
    el("a", { href: "/evaluations" }, "Evaluations"),
    ...steps.flatMap((step) => [el("span", { "aria-hidden": "true" }, " / "), step]),
  );

/** An id. */
export const mono = (text) => el("code", {}, text);

/** Something is not there, or is not what it should be. */
export const absent = (title, detail) => [
  trail(),
  el("div", { class: "head" }, heading(title)),
  el("p", { class: "lead" }, detail),
  el("p", {}, el("a", { href: "/evaluations" }, "All evaluations")),
];

/** A figure and its interval. */
export const spanned = (value, low, high, show = figure) =>
  el("span", {}, show(value), " ", el("span", { class: "what" }, between(low, high, show)));

/** What is known of something, in one line. */
export const listed = (parts) => parts.filter(Boolean).join(" · ");

/** The states of a job, as what it does. */
export const STATES = {
  waiting: "waits",
  running: "runs",
  failed: "failed",
  cancelled: "was cancelled",
  done: "is done",
};

/** A table that scrolls where it is too wide. */
export const scrolling = (label, table) =>
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);

/** A row of cells of this tag. */
export const row = (tag, cells) =>
  el("tr", {}, ...cells.map((cell) => el(tag, tag === "th" ? { scope: "col" } : {}, cell)));
