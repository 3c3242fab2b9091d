/**
 * Protobuf messages of plain objects, by the contract's descriptors: the other way of `to-plain.ts`,
 * for the input side of `types.ts`. What cannot be written is refused here, with the path of the
 * field, as the server would refuse it. One writer is made per message type and kept.
 */
import {
  create,
  fromJson,
  isMessage,
  ScalarType,
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonValue,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  DurationSchema,
  TimestampSchema,
  ValueSchema,
  timestampFromDate,
  type Duration,
  type Timestamp,
} from "@bufbuild/protobuf/wkt";
import { invalidField } from "../errors.js";
import { filterFrom, type FilterInput } from "../filters.js";
import { isWide } from "./to-plain.js";

type Write = (value: unknown, path: string) => unknown;
type Fields = Record<string, unknown>;

const writers = new Map<string, Write>();

/**
 * The message of a plain object. A protobuf message of that type is taken as it is.
 *
 * @throws InvalidArgumentError for a field that the message does not have, or a value of a wrong kind.
 */
export function fromPlain<D extends DescMessage>(schema: D, value: unknown): MessageShape<D> {
  return writerOf(schema)(value, "") as MessageShape<D>;
}

/** A moment as a protobuf timestamp. */
function timestampFrom(value: unknown, path: string): Timestamp {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return timestampFromDate(value);
  if (isMessage(value, TimestampSchema)) return value;
  if (typeof value === "string") {
    const text = /^\d{4}-\d{2}-\d{2}$/.test(value) ? `${value}T00:00:00Z` : value;
    try {
      return fromJson(TimestampSchema, text);
    } catch {
      // Told below, with the field's name.
    }
  }
  throw invalidField(path, 'must be a valid Date, or a string as "2026-05-07T10:00:00Z"');
}

/** Seconds as a protobuf duration. */
function durationFrom(value: unknown, path: string): Duration {
  if (isMessage(value, DurationSchema)) return value;
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw invalidField(path, "must be a number of seconds");
  }
  const whole = Math.trunc(value);
  return create(DurationSchema, { seconds: BigInt(whole), nanos: Math.round((value - whole) * 1e9) });
}

function writerOf(schema: DescMessage): Write {
  let writer = writers.get(schema.typeName);
  if (writer === undefined) {
    writer = WELL_KNOWN_WRITERS[schema.typeName] ?? messageWriter(schema);
    writers.set(schema.typeName, writer);
  }
  return writer;
}

const WELL_KNOWN_WRITERS: Record<string, Write> = {
  "google.protobuf.Timestamp": timestampFrom,
  "google.protobuf.Duration": durationFrom,
  "google.protobuf.Struct": jsonObject,
  "google.protobuf.Value": (value) => fromJson(ValueSchema, value as JsonValue),
  "google.protobuf.FieldMask": (value, path) => {
    if (!Array.isArray(value)) throw invalidField(path, "must be a list of field paths");
    return { $typeName: "google.protobuf.FieldMask", paths: value.map(snakeCase) };
  },
  "mnemon.v1.Filter": (value) => filterFrom(value as FilterInput),
};

function messageWriter(schema: DescMessage): Write {
  const plans = new Map(
    schema.fields.map((field) => [field.localName, { field, write: fieldWriter(field) }] as const),
  );
  return (value, path) => {
    if (isMessage(value, schema)) return value;
    const given = shortForm(schema, value);
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      throw invalidField(path === "" ? schema.name : path, "must be an object");
    }
    const message = create(schema) as unknown as Fields;
    for (const [name, element] of Object.entries(given)) {
      if (element === undefined || element === null) continue;
      const plan = plans.get(name);
      if (plan === undefined) throw invalidField(join(path, name), unknownField(schema, name));
      const { field, write } = plan;
      const written = write(element, join(path, field.name));
      if (field.oneof === undefined) {
        message[name] = written;
      } else {
        setMember(message, field, written, path);
      }
    }
    return message;
  };
}

function setMember(message: Fields, field: DescField, value: unknown, path: string): void {
  const oneof = field.oneof;
  if (oneof === undefined) return;
  const held = message[oneof.localName] as { case?: string };
  if (held.case !== undefined) {
    throw invalidField(join(path, field.name), `cannot be given together with ${snakeCase(held.case)}`);
  }
  message[oneof.localName] = { case: field.localName, value };
}

/** An event time may be given as a date, a moment to read at as a time. */
function shortForm(schema: DescMessage, value: unknown): unknown {
  if (!(value instanceof Date) && typeof value !== "string") return value;
  if (schema.name === "EventTime") return { time: value, precision: "INSTANT" };
  if (schema.name === "AsOf") return { time: value };
  return value;
}

function unknownField(schema: DescMessage, name: string): string {
  const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const known = schema.fields.some((field) => field.localName === camel);
  return known ? `is written ${camel} here` : `is no field of ${schema.name}`;
}

function fieldWriter(field: DescField): Write {
  switch (field.fieldKind) {
    case "scalar":
      return scalarWriter(field.scalar);
    case "enum":
      return enumWriter(field.enum);
    case "message":
      return (value, path) => writerOf(field.message)(value, path);
    case "list": {
      const write = elementWriter(field.listKind, field);
      return (value, path) => {
        if (!Array.isArray(value)) throw invalidField(path, "must be an array");
        return value.map((element, index) => write(element, `${path}[${String(index)}]`));
      };
    }
    case "map": {
      const write = elementWriter(field.mapKind, field);
      return (value, path) => {
        if (typeof value !== "object" || value === null) throw invalidField(path, "must be an object");
        return Object.fromEntries(
          Object.entries(value).map(([key, element]) => [key, write(element, `${path}["${key}"]`)]),
        );
      };
    }
  }
}

function elementWriter(kind: "scalar" | "enum" | "message", field: DescField): Write {
  if (kind === "enum") return enumWriter(field.enum as DescEnum);
  if (kind === "message") return (value, path) => writerOf(field.message as DescMessage)(value, path);
  return scalarWriter(field.scalar as ScalarType);
}

function enumWriter(schema: DescEnum): Write {
  const numbers = new Map(schema.values.map((value) => [value.localName, value.number]));
  const words = [...numbers.keys()].filter((word) => word !== "UNSPECIFIED");
  return (value, path) => {
    const number = typeof value === "string" ? numbers.get(value.toUpperCase()) : undefined;
    if (number === undefined) throw invalidField(path, `must be one of ${words.join(", ")}`);
    return number;
  };
}

function scalarWriter(type: ScalarType): Write {
  switch (type) {
    case ScalarType.STRING:
      return (value, path) => expect(value, typeof value === "string", path, "must be a string");
    case ScalarType.BOOL:
      return (value, path) => expect(value, typeof value === "boolean", path, "must be true or false");
    case ScalarType.BYTES:
      return (value, path) => expect(value, value instanceof Uint8Array, path, "must be a Uint8Array");
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (value, path) => expect(value, typeof value === "number", path, "must be a number");
    default:
      return (value, path) => {
        if (typeof value === "bigint") return isWide(type) ? value : Number(value);
        expect(value, Number.isSafeInteger(value), path, "must be a whole number");
        if (isWide(type)) return BigInt(value as number);
        return expect(value, Math.abs(value as number) < 2 ** 31, path, "must fit into 32 bits");
      };
  }
}

function expect(value: unknown, holds: boolean, path: string, rule: string): unknown {
  if (!holds) throw invalidField(path, rule);
  return value;
}

function jsonObject(value: unknown, path: string): unknown {
  if (!isPlainObject(value)) throw invalidField(path, "must be a JSON object");
  return jsonValue(value, path);
}

/** A copy that holds nothing but JSON: dates as RFC 3339, keys without a value left out. */
function jsonValue(value: unknown, path: string): JsonValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) {
    return value.map((element, index) => jsonValue(element, `${path}[${String(index)}]`));
  }
  if (!isPlainObject(value)) throw invalidField(path, "must be a JSON value");
  const entries = Object.entries(value).filter(([, element]) => element !== undefined);
  return Object.fromEntries(entries.map(([key, element]) => [key, jsonValue(element, join(path, key))]));
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** A field's name as the contract writes it; keys below `metadata` are the caller's own. */
export function snakeCase(path: string): string {
  const [head = "", ...rest] = path.split(".");
  return [head.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), ...rest].join(".");
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
