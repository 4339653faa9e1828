// Helpers of the evaluation views: addresses, figures, times, and breadcrumbs.

import { el, heading } from "./render.js";

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const NUMBER = new Intl.NumberFormat("en");

/** Return the address of a view of this page. */
export const address = (values) => `evaluations?${new URLSearchParams(values)}`;

/** Format a figure from 0 to 1; a dash if it is undefined. */
export const figure = (value) => (typeof value === "number" ? value.toFixed(3) : "–");

/** Format a share as a percentage; a dash if it is undefined. */
export const share = (value) => (typeof value === "number" ? `${(100 * value).toFixed(1)} %` : "–");

/** Format a difference, with its sign. */
export const signed = (value) =>
  typeof value === "number" ? `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}` : "–";

/** Format an interval; empty if it is undefined. */
const between = (low, high, show = figure) => (typeof low === "number" ? `${show(low)} to ${show(high)}` : "");

export const count = (n) => NUMBER.format(n);
export const asks = (n) => (n === 1 ? "1 query" : `${count(n)} queries`);
export const day = (at) => DAY.format(new Date(at));
export const clock = (at) => MOMENT.format(new Date(at));
export const moment = (at) => el("time", { datetime: at }, clock(at));

/** Create breadcrumbs: links from the list of evaluations to this view. */
export const trail = (...steps) =>
  el(
    "nav",
    { class: "trail", "aria-label": "Breadcrumb" },
    el("a", { href: "evaluations" }, "Evaluations"),
    ...steps.flatMap((step) => [el("span", { "aria-hidden": "true" }, " / "), step]),
  );

/** Show an id in a monospaced font. */
export const mono = (text) => el("code", {}, text);

/** View for something that is missing or damaged. */
export const absent = (title, detail) => [
  trail(),
  el("div", { class: "head" }, heading(title)),
  el("p", { class: "lead" }, detail),
  el("p", {}, el("a", { href: "evaluations" }, "All evaluations")),
];

/** Show a figure and its interval. */
export const spanned = (value, low, high, show = figure) =>
  el("span", {}, show(value), " ", el("span", { class: "what" }, between(low, high, show)));

/** Join the parts that are set into one line. */
export const listed = (parts) => parts.filter(Boolean).join(" · ");

/** States of a job, as verbs. */
export const STATES = {
  waiting: "waits",
  running: "runs",
  failed: "failed",
  cancelled: "was cancelled",
  done: "is done",
};

/** Wrap a table so that it scrolls if it is too wide. */
export const scrolling = (label, table) =>
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);

/** Create a table row with cells of this tag. */
export const row = (tag, cells) =>
  el("tr", {}, ...cells.map((cell) => el(tag, tag === "th" ? { scope: "col" } : {}, cell)));
