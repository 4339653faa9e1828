// The page of evaluations. Its content is a function of its address: /evaluations lists evaluations, ?id=ID shows one,
// ?id=ID&artists=worst shows its artists, ?a=ID&b=ID compares two.

import * as api from "./api.js";
import { absent } from "./figures.js";
import { queries, PAGE as QUERIES } from "./queries.js";
import { skeleton } from "./render.js";
import { run, unfinished } from "./run.js";
import { list, PAGE as RUNS } from "./runs.js";
import { shell } from "./shell.js";
import { versus } from "./versus.js";

const main = document.getElementById("main");

/** Return the systems of each condition, in the order of the figures. */
function systems({ results = [] }) {
  const found = new Map();
  for (const { condition, system } of results) found.set(condition, [...(found.get(condition) ?? []), system]);
  return found;
}

async function listView(asked, signal) {
  const before = asked.get("before") ?? "";
  return { title: "Evaluations", nodes: list(await api.evaluations({ limit: RUNS, before }, signal), !before) };
}

async function runView(asked, signal) {
  const found = await api.evaluation(asked.get("id"), signal);
  const title = `Evaluation ${found.id.slice(0, 8)}`;
  return { title, nodes: found.figures ? run(found) : unfinished(found) };
}

async function queriesView(asked, signal) {
  const id = asked.get("id");
  const sort = asked.get("artists") === "best" ? "best" : "worst";
  const offset = /^\d{1,7}$/.test(asked.get("offset") ?? "") ? Number(asked.get("offset")) : 0;
  const { figures } = await api.evaluation(id, signal);
  const measured = systems(figures ?? {});
  const condition = measured.has(asked.get("condition")) ? asked.get("condition") : [...measured.keys()][0];
  // the newly chosen condition may lack the system that was chosen before
  const system = measured.get(condition)?.includes(asked.get("system")) ? asked.get("system") : "";
  const found = await api.queries(id, { sort, condition, system, limit: QUERIES, offset }, signal);
  return { title: "Artists", nodes: queries(found, { sort, offset, measured }) };
}

async function versusView(asked, signal) {
  const [a, b] = [asked.get("a"), asked.get("b")];
  const values = { a, b, system_a: asked.get("system_a"), system_b: asked.get("system_b") };
  const found = await api.compared(values, signal);
  const [left, right] = await Promise.all([a, b].map((id) => api.evaluation(id, signal)));
  const every = ({ figures }) => [...new Set([...systems(figures).values()].flat())];
  return { title: "Comparison", nodes: versus(found, every(left), every(right)) };
}

const TITLES = {
  "not comparable": "These two cannot be compared",
  "damaged evaluation": "This evaluation is damaged",
};

async function view(signal) {
  const asked = new URLSearchParams(location.search);
  const compare = asked.get("a") && asked.get("b");
  const one = asked.get("id") && (asked.has("artists") ? queriesView : runView);
  try {
    return await (compare ? versusView : one || listView)(asked, signal);
  } catch (error) {
    if (error.status === 404 && asked.get("id") && !asked.has("artists")) return unknown(asked.get("id"));
    if (error.status === 422) return unknown(asked.get("id") ?? "");
    if (![404, 409].includes(error.status)) throw error;
    const title = TITLES[error.problem.title] ?? "Not found";
    return { title, nodes: absent(title, error.message) };
  }
}

function unknown(id) {
  const title = "No such evaluation";
  const detail = id ? `There is no evaluation with the id ${id}.` : "The address names no evaluation that exists.";
  return { title, nodes: absent(title, detail) };
}

const { show, go } = shell({ path: "evaluations", title: "Evaluations · RIYL", view, skeleton: () => skeleton(6) });

main.addEventListener("change", (event) => {
  const form = event.target.closest("#pick");
  if (!form) return;
  const chosen = form.querySelectorAll(":checked").length;
  form.querySelector("button").disabled = chosen !== 2;
  const words = ["Choose two to compare.", "Choose one more.", ""];
  form.querySelector("[role=status]").textContent = words[chosen] ?? `${chosen} chosen; choose two.`;
});

main.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = new FormData(event.target);
  if (event.target.id === "pick") {
    const [a, b] = given.getAll("run");
    if (b) go(`evaluations?${new URLSearchParams({ a, b })}`);
  } else {
    go(`evaluations?${new URLSearchParams(given)}`);
  }
});

show({ focus: false });
