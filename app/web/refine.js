// Panel of sliders and conditions: variety, popularity, required modalities, number of listeners, attributes.

import { ConditionError, conditions } from "./conditions.js";
import { el, MODALITIES, ordered, plural } from "./render.js";

const SETTLE_MS = 200;

/** Summarize the sliders and conditions of a query. */
function summary(asked) {
  const { diversity, popularity, having, least, most } = asked;
  return [
    diversity > 0 && `variety ${diversity}`,
    popularity < 0 && `obscure ${-popularity}`,
    popularity > 0 && `popular ${popularity}`,
    having.length > 0 && `has ${having.map((m) => MODALITIES[m] ?? m).join(", ")}`,
    least !== null && `at least ${plural(least, "listener")}`,
    most !== null && `at most ${plural(most, "listener")}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Parse a whole number; null if the field is empty. */
function whole(field, words) {
  const typed = field.value.trim();
  if (!typed) return null;
  if (/^\d{1,12}$/.test(typed)) return Number(typed);
  const message = `${words}: found “${typed}”; enter a whole number of listeners.`;
  throw Object.assign(new ConditionError(message), { field });
}

/**
 * Activate the panel.
 * @param {(part: object) => void} change called with the changed parts of the query: diversity, popularity, having,
 *   least, most, where
 * @returns {{show: (asked: object) => void, modalities: (names: string[]) => void,
 *   attributes: (names: string[]) => void}}
 */
export function refine(change) {
  const form = document.getElementById("refine-form");
  const note = document.getElementById("refine-note");
  const boxes = document.getElementById("having");
  const { diversity, popularity, least, most, where } = form.elements;
  const fields = [least, most, where];
  const settled = new Map();
  let known = [];
  let now = { having: [], where: [] };
  let timer = 0;

  function complain(error) {
    if (!(error instanceof ConditionError)) throw error;
    note.textContent = error.message;
    error.field?.setAttribute("aria-invalid", "true");
  }

  function calm() {
    note.textContent = "";
    for (const field of fields) field.removeAttribute("aria-invalid");
  }

  function told() {
    for (const slider of [diversity, popularity]) {
      slider.nextElementSibling.textContent = String(Number(slider.value)).replace("-", "−");
    }
  }

  /** Read the controls; throws a ConditionError for an invalid field. */
  function collected() {
    const low = whole(least, "At least");
    const high = whole(most, "At most");
    if (low !== null && high !== null && low > high) {
      const message = `Found at least ${low} and at most ${high} listeners; no artist fits both.`;
      throw Object.assign(new ConditionError(message), { field: most });
    }
    return {
      diversity: Number(diversity.value),
      popularity: Number(popularity.value),
      having: [...boxes.querySelectorAll("input:checked")].map((box) => box.value),
      least: low,
      most: high,
    };
  }

  /** Return the conditions with the typed one added, if one is typed. */
  function typed() {
    const one = where.value.trim();
    if (!one) return {};
    const all = [...new Set([...now.where, one])];
    try {
      conditions(all);
    } catch (error) {
      throw Object.assign(error, { field: where });
    }
    return { where: all };
  }

  function changed(more = () => ({})) {
    clearTimeout(timer);
    calm();
    try {
      const part = { ...collected(), ...more() };
      if (part.where) where.value = "";
      change(part);
    } catch (error) {
      complain(error);
    }
  }

  form.addEventListener("input", (event) => {
    told();
    if (event.target.matches("[aria-invalid]")) calm();
  });

  form.addEventListener("change", (event) => {
    clearTimeout(timer);
    // arrow keys change a slider step by step
    if (event.target !== where) timer = setTimeout(() => changed(), event.target.type === "range" ? SETTLE_MS : 0);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    changed(typed);
  });

  /** Set a field if the query's value changed; text that is being typed stays. */
  function put(field, value) {
    if (settled.get(field) === value) return;
    settled.set(field, value);
    field.value = value;
  }

  /** Show a box for each modality of the version, and for those that only the address names. */
  function ticks() {
    const wanted = ordered([...new Set([...known, ...now.having])]);
    const boxed = [...boxes.querySelectorAll("input")].map((box) => box.value);
    if (wanted.join() !== boxed.join()) {
      boxes.replaceChildren(
        ...wanted.map((m) => el("label", {}, el("input", { type: "checkbox", value: m }), MODALITIES[m] ?? m)),
      );
    }
    for (const box of boxes.querySelectorAll("input")) box.checked = now.having.includes(box.value);
  }

  function show(asked) {
    clearTimeout(timer);
    now = asked;
    diversity.value = String(asked.diversity);
    popularity.value = String(asked.popularity);
    put(least, asked.least === null ? "" : String(asked.least));
    put(most, asked.most === null ? "" : String(asked.most));
    ticks();
    told();
    document.getElementById("refined").textContent = summary(asked);
  }

  return {
    show,
    modalities: (names) => {
      known = names;
      ticks();
    },
    attributes: (names) => {
      const options = names.map((name) => el("option", { value: `${name}=` }));
      document.getElementById("attributes").replaceChildren(...options);
      document.getElementById("attributes-hint").textContent = names.length
        ? `Attributes of this catalog: ${names.join(", ")}.`
        : "The catalog's artists have no attributes.";
    },
  };
}
