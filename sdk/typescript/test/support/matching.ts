/**
 * The patterns of tests/scenarios: which answers they match. See tests/scenarios/README.md.
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Why the value does not match the pattern, with the path; undefined if it does. */
export function mismatch(pattern: Json, value: Json | undefined, path = "answer"): string | undefined {
  if (isObject(pattern)) {
    const keys = Object.keys(pattern);
    const [matcher] = keys;
    if (keys.length === 1 && matcher?.startsWith("$")) {
      const holds = MATCHERS[matcher];
      if (holds === undefined) throw new Error(`there is no matcher ${matcher}`);
      return holds(pattern[matcher] as Json, value)
        ? undefined
        : `${path}: ${JSON.stringify(pattern)} does not hold of ${JSON.stringify(value)}`;
    }
    return firstOf(keys, (key) => {
      const held = isObject(value) ? value[key] : undefined;
      return mismatch(pattern[key] as Json, held, `${path}.${key}`);
    });
  }
  if (Array.isArray(pattern)) {
    if (!Array.isArray(value)) return told(pattern, value, path);
    if (pattern.length !== value.length)
      return `${path}: ${String(value.length)} elements, not ${String(pattern.length)}`;
    return firstOf(pattern, (part, index) => mismatch(part, value[index], `${path}[${String(index)}]`));
  }
  return equal(pattern, value) ? undefined : told(pattern, value, path);
}

const isThere = (value: Json | undefined): boolean =>
  value !== undefined &&
  value !== null &&
  value !== "" &&
  value !== "0" &&
  value !== 0 &&
  value !== false &&
  (typeof value !== "object" || Object.keys(value).length > 0);

const matches = (pattern: Json, value: Json | undefined): boolean => mismatch(pattern, value) === undefined;
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);

const MATCHERS: Record<string, (argument: Json, value: Json | undefined) => boolean> = {
  $present: (_, value) => isThere(value),
  $absent: (_, value) => !isThere(value),
  $length: (length, value) => (typeof value === "string" || Array.isArray(value)) && value.length === length,
  $has: (patterns, value) => list(patterns).every((part) => list(value).some((each) => matches(part, each))),
  $lacks: (patterns, value) =>
    Array.isArray(value) && !list(patterns).some((part) => value.some((each) => matches(part, each))),
  $set: (patterns, value) => Array.isArray(value) && isPermutation(list(patterns), value),
  $matches: (pattern, value) => typeof value === "string" && new RegExp(String(pattern)).test(value),
  $between: (bounds, value) => {
    const [least, most] = list(bounds).map(Number);
    return Number(value) >= (least ?? NaN) && Number(value) <= (most ?? NaN);
  },
  $not: (pattern, value) => !matches(pattern, value),
};

/** True if the patterns can be given to the values one to one. */
function isPermutation(patterns: Json[], values: Json[]): boolean {
  if (patterns.length !== values.length) return false;
  const [first, ...rest] = patterns;
  if (first === undefined) return true;
  return values.some(
    (value, index) =>
      matches(first, value) &&
      isPermutation(
        rest,
        values.filter((_, other) => other !== index),
      ),
  );
}

function equal(pattern: Json, value: Json | undefined): boolean {
  if (pattern === value) return true;
  // 64-bit integers are strings in proto JSON.
  return (
    typeof pattern === "number" && typeof value === "string" && value !== "" && Number(value) === pattern
  );
}

function firstOf<T>(
  parts: readonly T[],
  check: (part: T, index: number) => string | undefined,
): string | undefined {
  for (const [index, part] of parts.entries()) {
    const found = check(part, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function told(pattern: Json, value: Json | undefined, path: string): string {
  return `${path}: ${JSON.stringify(value)} is not ${JSON.stringify(pattern)}`;
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
