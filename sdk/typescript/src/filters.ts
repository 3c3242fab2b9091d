/**
 * Conditions on memories, in any of three forms: the builder {@link F}, the JSON that mem0's users
 * write, or the contract's protobuf message.
 */
import { isMessage } from "@bufbuild/protobuf";
import { invalidField } from "./errors.js";
import { TIME_FIELDS, comparison, group, joined, negation, type FilterValue } from "./filter-messages.js";
import { FilterSchema, Operator, type Filter as FilterMessage } from "./gen/mnemon/v1/filter_pb.js";

export type { FilterValue };

/** The operators of the JSON form; each may also be written with `$` before it. */
export type FilterOperatorName =
  | "eq"
  | "ne"
  | "gt"
  | "gte"
  | "lt"
  | "lte"
  | "in"
  | "not_in"
  | "nin"
  | "contains"
  | "icontains"
  | "starts_with"
  | "exists";

/** What one field must be: a value (equal), a list (one of them), `"*"` for a scope id (any), or operators. */
export type FieldCondition =
  | FilterValue
  | readonly FilterValue[]
  | {
      readonly [Name in FilterOperatorName | `$${FilterOperatorName}`]?: FilterValue | readonly FilterValue[];
    };

/**
 * mem0's JSON: `{ AND: [{ categories: { in: ["food"] } }, { metadata: { tier: "gold" } }] }`. Keys are
 * `AND`, `OR` and `NOT` (with or without `$`, in any case), fields of a memory, `metadata` with an
 * object of conditions by key, or `metadata.<path>`. Several keys must all hold. Any other key means
 * that key of the metadata. `created_at` and `updated_at` mean `create_time` and `update_time`;
 * `categories` with `in` means "one of them".
 */
export interface FilterJson {
  readonly [key: string]: unknown;
}

/** A filter in any of its forms. */
export type FilterInput = Filter | FilterJson | FilterMessage;

/** A condition made by {@link F}. It never changes; `and`, `or` and `not` make new ones. */
export class Filter {
  /** The condition as the contract writes it. */
  readonly message: FilterMessage;

  /** Wraps a condition; use {@link F} to make one. */
  constructor(message: FilterMessage) {
    this.message = message;
  }

  /** This condition and the others hold. */
  and(...others: readonly FilterInput[]): Filter {
    return new Filter(group("andGroup", [this.message, ...others.map(filterFrom)]));
  }

  /** This condition or one of the others holds. */
  or(...others: readonly FilterInput[]): Filter {
    return new Filter(group("orGroup", [this.message, ...others.map(filterFrom)]));
  }

  /** This condition does not hold. */
  not(): Filter {
    return new Filter(negation(this.message));
  }
}

/** One field of a memory, to be compared. A missing field fails all but `ne`, `notIn` and `exists(false)`. */
export class FilterField {
  readonly #field: string;

  /** Names the field; use {@link F} to get one. */
  constructor(field: string) {
    this.#field = field;
  }

  /** Equal. A list equals no single value: use `contains`. */
  eq(value: FilterValue): Filter {
    return this.#compare(Operator.EQ, value);
  }

  /** Not equal, or missing. */
  ne(value: FilterValue): Filter {
    return this.#compare(Operator.NE, value);
  }

  /** Greater: numbers, times, or strings by code point. */
  gt(value: FilterValue): Filter {
    return this.#compare(Operator.GT, value);
  }

  /** Greater or equal. */
  gte(value: FilterValue): Filter {
    return this.#compare(Operator.GTE, value);
  }

  /** Less. */
  lt(value: FilterValue): Filter {
    return this.#compare(Operator.LT, value);
  }

  /** Less or equal. */
  lte(value: FilterValue): Filter {
    return this.#compare(Operator.LTE, value);
  }

  /** Equal to one of 1 to 1,000 values. */
  in(values: readonly FilterValue[]): Filter {
    return this.#compare(Operator.IN, values);
  }

  /** Equal to none of 1 to 1,000 values, or missing. */
  notIn(values: readonly FilterValue[]): Filter {
    return this.#compare(Operator.NOT_IN, values);
  }

  /** A list holds the value; a string holds the substring, case counts. */
  contains(value: FilterValue): Filter {
    return this.#compare(Operator.CONTAINS, value);
  }

  /** A string holds the substring, whatever the case. */
  icontains(value: string): Filter {
    return this.#compare(Operator.ICONTAINS, value);
  }

  /** A string begins with the value. */
  startsWith(value: string): Filter {
    return this.#compare(Operator.STARTS_WITH, value);
  }

  /** The field is there and not null; with false: it is not. */
  exists(wanted = true): Filter {
    return this.#compare(Operator.EXISTS, wanted);
  }

  #compare(operator: Operator, value: FilterValue | readonly FilterValue[]): Filter {
    return new Filter(comparison(this.#field, operator, value));
  }
}

/**
 * Makes conditions: `F.metadata("tier").eq("gold").and(F.categories.contains("food"))`.
 */
export const F = Object.freeze({
  /** The list of categories: `F.categories.contains("food")`. */
  categories: new FilterField("categories"),
  /** The kind of knowledge: `F.type.eq("EPISODIC")`. */
  type: new FilterField("type"),
  /** The speaker whose statement it is. */
  attributedTo: new FilterField("attributed_to"),
  /** The user id. */
  userId: new FilterField("user_id"),
  /** The agent id. */
  agentId: new FilterField("agent_id"),
  /** The app id. */
  appId: new FilterField("app_id"),
  /** The run id. */
  runId: new FilterField("run_id"),
  /** When it happened or began to hold. */
  eventTime: new FilterField("event_time"),
  /** When it ceases to be returned. */
  expireTime: new FilterField("expire_time"),
  /** When it was first stored. */
  createTime: new FilterField("create_time"),
  /** When it last changed. */
  updateTime: new FilterField("update_time"),
  /** A key of the caller's metadata; keys of nested objects are joined by dots. */
  metadata: (path: string): FilterField => new FilterField(`metadata.${path}`),
  /** All of them hold. */
  and: (...filters: readonly FilterInput[]): Filter => new Filter(group("andGroup", filters.map(filterFrom))),
  /** At least one of them holds. */
  or: (...filters: readonly FilterInput[]): Filter => new Filter(group("orGroup", filters.map(filterFrom))),
  /** It does not hold. */
  not: (filter: FilterInput): Filter => new Filter(negation(filterFrom(filter))),
});

/** The contract's message of a filter in any form. Throws InvalidArgumentError for one that cannot be read. */
export function filterFrom(input: FilterInput): FilterMessage {
  if (input instanceof Filter) return input.message;
  if (isMessage(input, FilterSchema)) return input;
  return fromFilterJson(input as FilterJson, "filters");
}

const OPERATORS = new Map<string, Operator>([
  ["eq", Operator.EQ],
  ["ne", Operator.NE],
  ["gt", Operator.GT],
  ["gte", Operator.GTE],
  ["lt", Operator.LT],
  ["lte", Operator.LTE],
  ["in", Operator.IN],
  ["not_in", Operator.NOT_IN],
  ["nin", Operator.NOT_IN],
  ["contains", Operator.CONTAINS],
  ["icontains", Operator.ICONTAINS],
  ["starts_with", Operator.STARTS_WITH],
  ["startswith", Operator.STARTS_WITH],
  ["exists", Operator.EXISTS],
]);

const SCOPE_FIELDS = new Map([
  ["user_id", "userId"],
  ["agent_id", "agentId"],
  ["app_id", "appId"],
  ["run_id", "runId"],
]);

const FIELDS = new Set([...SCOPE_FIELDS.keys(), ...TIME_FIELDS, "categories", "type", "attributed_to"]);

/** Names that users of other systems write. */
const ALIASES = new Map([
  ["created_at", "create_time"],
  ["updated_at", "update_time"],
  ["expiration_date", "expire_time"],
  ["timestamp", "event_time"],
  ["category", "categories"],
  ["memory_type", "type"],
]);

/**
 * Scope ids that mem0's users write into the filter, and what is left of it. Only ids that hold for
 * the filter as a whole count: at its top, or directly below its `AND`.
 */
export function withoutScopeIds(filters: FilterInput | undefined): {
  readonly ids: Record<string, string>;
  readonly filter: FilterInput | undefined;
} {
  const isJson = isObject(filters) && !(filters instanceof Filter) && !isMessage(filters, FilterSchema);
  if (!isJson) return { ids: {}, filter: filters };
  const ids: Record<string, string> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(filters)) {
    const id = SCOPE_FIELDS.get(snakeCase(key));
    if (id !== undefined && typeof value === "string" && value !== "*") {
      ids[id] = value;
    } else if (bare(key).toUpperCase() === "AND" && Array.isArray(value)) {
      const parts = (value as FilterInput[]).map(withoutScopeIds);
      for (const part of parts) Object.assign(ids, part.ids);
      const kept = parts.map((part) => part.filter).filter((part) => part !== undefined);
      if (kept.length > 0) rest[key] = kept;
    } else if (value !== undefined) {
      rest[key] = value;
    }
  }
  return { ids, filter: Object.keys(rest).length > 0 ? rest : undefined };
}

function fromFilterJson(json: FilterJson, path: string): FilterMessage {
  if (typeof json !== "object" || json === null || Array.isArray(json) || json instanceof Date) {
    throw invalidField(path, "must be a filter object");
  }
  const parts = Object.entries(json)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => fromEntry(key, value, path));
  if (parts.length === 0) throw invalidField(path, "must hold at least one condition");
  return joined("andGroup", parts);
}

function fromEntry(key: string, value: unknown, path: string): FilterMessage {
  switch (bare(key).toUpperCase()) {
    case "AND":
      return joined("andGroup", fromList(value, `${path}.${key}`));
    case "OR":
      return joined("orGroup", fromList(value, `${path}.${key}`));
    case "NOT":
      // mem0 takes a list here: none of them may hold.
      return negation(joined("orGroup", fromList(value, `${path}.${key}`)));
    case "METADATA":
      return fromMetadata("metadata", value, path);
    default:
      return fromCondition(fieldName(key), value, `${path}.${key}`);
  }
}

function fromList(given: unknown, path: string): FilterMessage[] {
  const value: unknown = isObject(given) ? [given] : given;
  if (!Array.isArray(value) || value.length === 0) throw invalidField(path, "must be a list of filters");
  return value.map((part: FilterInput, index) =>
    part instanceof Filter || isMessage(part, FilterSchema)
      ? filterFrom(part)
      : fromFilterJson(part as FilterJson, `${path}[${String(index)}]`),
  );
}

/** `{metadata: {tier: "gold", address: {city: {in: [...]}}}}`: every key must hold, at any depth. */
function fromMetadata(prefix: string, value: unknown, path: string): FilterMessage {
  if (!isObject(value) || Object.keys(value).length === 0) {
    throw invalidField(`${path}.${prefix}`, "must be an object of conditions by key");
  }
  const parts = Object.entries(value).map(([key, condition]) => {
    const field = `${prefix}.${key}`;
    const nested = isObject(condition) && !hasOperators(condition);
    return nested
      ? fromMetadata(field, condition, path)
      : fromCondition(field, condition, `${path}.${field}`);
  });
  return joined("andGroup", parts);
}

function fromCondition(field: string, condition: unknown, path: string): FilterMessage {
  if (condition === "*" && SCOPE_FIELDS.has(field)) return comparison(field, Operator.EXISTS, true);
  if (Array.isArray(condition)) return oneCondition(field, Operator.IN, values(condition, path));
  if (!isObject(condition)) return oneCondition(field, Operator.EQ, scalar(condition, path));
  const parts = Object.entries(condition).map(([name, value]) => {
    const operator = OPERATORS.get(bare(name).toLowerCase());
    if (operator === undefined) {
      throw invalidField(path, `${name} is no operator; there are ${[...OPERATORS.keys()].join(", ")}`);
    }
    const isList = operator === Operator.IN || operator === Operator.NOT_IN;
    return oneCondition(field, operator, isList ? values(value, path) : scalar(value, path));
  });
  if (parts.length === 0) throw invalidField(path, "must hold an operator");
  return joined("andGroup", parts);
}

/** mem0 asks `categories in [...]` for "has one of them"; in the contract a list *contains* a value. */
function oneCondition(
  field: string,
  operator: Operator,
  value: FilterValue | readonly FilterValue[],
): FilterMessage {
  const isEquality = operator === Operator.EQ || operator === Operator.IN;
  const isInequality = operator === Operator.NE || operator === Operator.NOT_IN;
  if (field !== "categories" || !(isEquality || isInequality)) return comparison(field, operator, value);
  const wanted = Array.isArray(value) ? (value as FilterValue[]) : [value as FilterValue];
  const any = joined(
    "orGroup",
    wanted.map((category) => comparison(field, Operator.CONTAINS, category)),
  );
  return isEquality ? any : negation(any);
}

function fieldName(key: string): string {
  const snake = snakeCase(key);
  const known = ALIASES.get(snake) ?? snake;
  if (FIELDS.has(known) || known.startsWith("metadata.")) return known;
  return `metadata.${key}`;
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function bare(key: string): string {
  return key.startsWith("$") ? key.slice(1) : key;
}

function hasOperators(condition: object): boolean {
  return Object.keys(condition).some((key) => OPERATORS.has(bare(key).toLowerCase()));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function values(value: unknown, path: string): FilterValue[] {
  if (!Array.isArray(value)) throw invalidField(path, "must be a list");
  return value.map((element) => scalar(element, path));
}

function scalar(value: unknown, path: string): FilterValue {
  if (value instanceof Date || ["string", "number", "boolean"].includes(typeof value)) {
    return value as FilterValue;
  }
  throw invalidField(path, "must be a string, number, boolean or Date");
}
