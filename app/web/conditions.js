// Conditions on attributes as typed: country=GB, country=GB|IS, year>=1990, name="1999".

const SHAPE = /^([^=<>]*)(>=|<=|==|=|<|>)(.*)$/su;
const INSTEAD = { "==": "=", "<": "<=", ">": ">=" };
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu;

/** Invalid condition; the message states the text found and how to write it. */
export class ConditionError extends Error {}

/** Parse a value: text if in double quotes, else a number, true or false if it is spelled like one, else text. */
function value(typed, whole) {
  const quoted = /^"(.*)"$/su.exec(typed);
  if (quoted) return quoted[1];
  if (!typed) throw new ConditionError(`Found “${whole}”; add a value after the sign, as in country=GB.`);
  if (typed.includes('"')) {
    throw new ConditionError(`Found “${whole}”; put the quotes around the whole value, as in name="1999".`);
  }
  if (typed === "true" || typed === "false") return typed === "true";
  return NUMBER.test(typed) && Number.isFinite(Number(typed)) ? Number(typed) : typed;
}

/**
 * Parse one condition.
 * @param {string} typed a name, one of = >= <=, and a value; = also takes several values, separated by |
 * @returns {{name: string, condition: object}} in the form of POST similar
 * @throws {ConditionError} the condition is invalid
 */
export function condition(typed) {
  const whole = typed.trim();
  const [, before, sign, behind] = SHAPE.exec(whole) ?? [];
  if (!sign) {
    throw new ConditionError(`Found “${whole}”; write a name, then = or >= or <=, then a value, as in country=GB.`);
  }
  const name = before.trim();
  if (!name) throw new ConditionError(`Found “${whole}”; add the name of an attribute before ${sign}.`);
  if (sign in INSTEAD) throw new ConditionError(`Found “${whole}”; write ${INSTEAD[sign]} instead of ${sign}.`);
  // a | inside quotes is part of the text
  const values = behind.split(/\|(?=(?:[^"]*"[^"]*")*[^"]*$)/u).map((each) => value(each.trim(), whole));
  if (sign === "=") return { name, condition: values.length > 1 ? { in: values } : { eq: values[0] } };
  if (values.length > 1) throw new ConditionError(`Found “${whole}”; write one value after ${sign}.`);
  return { name, condition: { [sign === ">=" ? "gte" : "lte"]: values[0] } };
}

/**
 * Parse conditions that must all hold, by attribute.
 * @param {string[]} typed
 * @throws {ConditionError} a condition is invalid, or two on one attribute cannot be combined
 */
export function conditions(typed) {
  const found = new Map();
  for (const each of typed) {
    const { name, condition: one } = condition(each);
    const together = found.get(name) ?? {};
    const equal = (bounds) => "eq" in bounds || "in" in bounds;
    if (Object.keys(one).some((key) => key in together) || (equal(one) && equal(together))) {
      const either = `${name}=A|B`;
      throw new ConditionError(`Found two conditions of the same kind on ${name}; write one, as in ${either}.`);
    }
    found.set(name, { ...together, ...one });
  }
  return Object.fromEntries(found);
}
