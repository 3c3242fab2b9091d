/**
 * Makes the contract's filter messages.
 */
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { invalidField } from "./errors.js";
import {
  ComparisonSchema,
  FilterGroupSchema,
  FilterSchema,
  type Filter as FilterMessage,
  type Operator,
} from "./gen/mnemon/v1/filter_pb.js";

/** A value to compare with; a `Date` goes as RFC 3339. */
export type FilterValue = string | number | boolean | Date;

/** Fields whose values are moments. */
export const TIME_FIELDS = new Set(["event_time", "expire_time", "create_time", "update_time"]);

/** One field against a value. */
export function comparison(
  field: string,
  operator: Operator,
  value: FilterValue | readonly FilterValue[],
): FilterMessage {
  const json: JsonValue = Array.isArray(value)
    ? value.map((element: FilterValue) => jsonOf(field, element))
    : jsonOf(field, value as FilterValue);
  const kind = create(ComparisonSchema, { field, operator, value: fromJson(ValueSchema, json) });
  return create(FilterSchema, { kind: { case: "comparison", value: kind } });
}

function jsonOf(field: string, value: FilterValue): JsonValue {
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalidField(field, "must be a valid Date");
    return value.toISOString();
  }
  if (typeof value !== "string") return value;
  if (field === "type") return value.toUpperCase();
  return TIME_FIELDS.has(field) && /^\d{4}-\d{2}-\d{2}$/.test(value) ? `${value}T00:00:00Z` : value;
}

/** Conditions as one group; groups of the same kind among them become part of it. */
export function group(kind: "andGroup" | "orGroup", filters: readonly FilterMessage[]): FilterMessage {
  const flat = filters.flatMap((filter) =>
    filter.kind.case === kind ? filter.kind.value.filters : [filter],
  );
  return create(FilterSchema, { kind: { case: kind, value: create(FilterGroupSchema, { filters: flat }) } });
}

/** One condition stands for itself. */
export function joined(kind: "andGroup" | "orGroup", filters: FilterMessage[]): FilterMessage {
  const [only] = filters;
  return filters.length === 1 && only !== undefined ? only : group(kind, filters);
}

/** The condition does not hold. */
export function negation(filter: FilterMessage): FilterMessage {
  return create(FilterSchema, { kind: { case: "notFilter", value: filter } });
}
