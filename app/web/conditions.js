// Conditions on attributes, as they are typed: country=GB, country=GB|IS, year>=1990, name="1999".

const SHAPE = /^([^=<>]*)(>=|<=|==|=|<|>)(.*)$/su;
const INSTEAD = { "==": "=", "<": "<=", ">": ">=" };
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu;

/** What was typed cannot be understood; the message says what was found and what is wanted. */
export class ConditionError extends Error {}

/** A value as it is meant: in double quotes a text, else a number, true or false where it is spelled like one. */
function value(typed, whole) {
  const quoted = /^"(.*)"$/su.exec(typed);
  if (quoted) return quoted[1];
  if (!typed) throw new ConditionError(`Found “${whole}”; a value is missing behind its sign, as in country=GB.`);
  if (typed.includes('"')) {
    throw new ConditionError(`Found “${whole}”; quotes go around a whole value, as in name="1999".`);
  }
  if (typed === "true" || typed === "false") return typed === "true";
  return NUMBER.test(typed) && Number.isFinite(Number(typed)) ? Number(typed) : typed;
}

/**
 * One condition.
 * @param {string} typed a name, one of = >= <=, and a value; behind = also several, with | between them
 * @returns {{name: string, condition: object}} as POST similar takes it
 * @throws {ConditionError} it is none
 */
export function condition(typed) {
  const whole = typed.trim();
  const [, before, sign, behind] = SHAPE.exec(whole) ?? [];
  if (!sign) {
    throw new ConditionError(`Found “${whole}”; wanted a name, = or >= or <=, and a value, as in country=GB.`);
  }
  const name = before.trim();
  if (!name) throw new ConditionError(`Found “${whole}”; the name of an attribute is missing before ${sign}.`);
  if (sign in INSTEAD) throw new ConditionError(`Found “${whole}”; wanted ${INSTEAD[sign]} in place of ${sign}.`);
  // a line inside of quotes is part of the text
  const values = behind.split(/\|(?=(?:[^"]*"[^"]*")*[^"]*$)/u).map((each) => value(each.trim(), whole));
  if (sign === "=") return { name, condition: values.length > 1 ? { in: values } : { eq: values[0] } };
  if (values.length > 1) throw new ConditionError(`Found “${whole}”; wanted one value behind ${sign}.`);
  return { name, condition: { [sign === ">=" ? "gte" : "lte"]: values[0] } };
}

/**
 * Conditions that must all hold, by attribute.
 * @param {string[]} typed
 * @throws {ConditionError} one is none, or two on one attribute cannot be put together
 */
export function conditions(typed) {
  const found = new Map();
  for (const each of typed) {
    const { name, condition: one } = condition(each);
    const together = found.get(name) ?? {};
    const equal = (bounds) => "eq" in bounds || "in" in bounds;
    if (Object.keys(one).some((key) => key in together) || (equal(one) && equal(together))) {
      const either = `${name}=A|B`;
      throw new ConditionError(`Found two conditions of one kind on ${name}; wanted one, as in ${either} for either.`);
    }
    found.set(name, { ...together, ...one });
  }
  return Object.fromEntries(found);
}
