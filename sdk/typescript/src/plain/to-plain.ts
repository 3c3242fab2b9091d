/**
 * Protobuf messages as plain objects, by the contract's descriptors: times are `Date`s, durations
 * seconds, enums words, 64-bit integers numbers, a oneof its member. The types are the output side of
 * `types.ts`. One reader is made per message type and kept.
 */
import {
  ScalarType,
  toJson,
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
  type MessageShape,
} from "@bufbuild/protobuf";
import { ValueSchema, timestampDate, type Duration, type Timestamp } from "@bufbuild/protobuf/wkt";

type Read = (value: unknown) => unknown;
type Fields = Record<string, unknown>;

const readers = new Map<string, Read>();

/**
 * The message as a frozen plain object. `T` is its type in `types.ts`. Enum values that this client
 * does not know read as `"UNSPECIFIED"`.
 */
export function toPlain<T>(schema: DescMessage, message: Message): T {
  return readerOf(schema)(message) as T;
}

function readerOf(schema: DescMessage): Read {
  let reader = readers.get(schema.typeName);
  if (reader === undefined) {
    reader = WELL_KNOWN_READERS[schema.typeName] ?? messageReader(schema);
    readers.set(schema.typeName, reader);
  }
  return reader;
}

const WELL_KNOWN_READERS: Record<string, Read> = {
  "google.protobuf.Timestamp": (value) => timestampDate(value as Timestamp),
  "google.protobuf.Duration": (value) => {
    const duration = value as Duration;
    return Number(duration.seconds) + duration.nanos / 1e9;
  },
  "google.protobuf.Struct": deepFreeze,
  "google.protobuf.Value": (value) => toJson(ValueSchema, value as MessageShape<typeof ValueSchema>),
  "google.protobuf.FieldMask": (value) => Object.freeze([...(value as { paths: string[] }).paths]),
};

function messageReader(schema: DescMessage): Read {
  const single = schema.fields.filter((field) => field.oneof === undefined);
  const plans = single.map((field) => ({ name: field.localName, read: fieldReader(field) }));
  const unions = schema.oneofs.map((oneof) => ({
    name: oneof.localName,
    members: new Map(oneof.fields.map((field) => [field.localName, fieldReader(field)])),
  }));
  return (value) => {
    const message = value as Fields;
    const plain: Fields = {};
    for (const { name, read } of plans) {
      const held = message[name];
      if (held !== undefined) plain[name] = read === undefined ? held : read(held);
    }
    for (const { name, members } of unions) {
      const held = message[name] as { case?: string; value?: unknown };
      if (held.case !== undefined) {
        const read = members.get(held.case);
        plain[held.case] = read === undefined ? held.value : read(held.value);
      }
    }
    return Object.freeze(plain);
  };
}

/** How a field is read; undefined if its value is plain already. */
function fieldReader(field: DescField): Read | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return isWide(field.scalar) ? Number : undefined;
    case "enum":
      return enumReader(field.enum);
    case "message":
      return later(() => readerOf(field.message));
    case "list": {
      const read = elementReader(field.listKind, field);
      return (value) => {
        const list = value as unknown[];
        return Object.freeze(read === undefined ? [...list] : list.map((element) => read(element)));
      };
    }
    case "map": {
      const read = elementReader(field.mapKind, field);
      return (value) => {
        const entries = Object.entries(value as Fields);
        return Object.freeze(
          Object.fromEntries(
            entries.map(([key, element]) => [key, read === undefined ? element : read(element)]),
          ),
        );
      };
    }
  }
}

function elementReader(kind: "scalar" | "enum" | "message", field: DescField): Read | undefined {
  if (kind === "enum") return enumReader(field.enum as DescEnum);
  if (kind === "message") return later(() => readerOf(field.message as DescMessage));
  return isWide(field.scalar as ScalarType) ? Number : undefined;
}

function enumReader(schema: DescEnum): Read {
  const words = new Map(schema.values.map((value) => [value.number, value.localName]));
  const unknown = words.get(0) ?? "UNSPECIFIED";
  return (value) => words.get(value as number) ?? unknown;
}

/** Messages hold messages of their own kind, so what a field needs is looked up when it is first read. */
function later(find: () => Read): Read {
  let found: Read | undefined;
  return (value) => (found ??= find())(value);
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

/** True for integers that protobuf-es holds as `bigint`. */
export function isWide(type: ScalarType): boolean {
  return type === ScalarType.INT64 || type === ScalarType.UINT64 || type === ScalarType.SINT64;
}
