/**
 * Between the client's methods and the caller: sorts options into the request and what belongs to the
 * call itself, and gives answers as plain objects.
 */
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { CallOptions, Caller } from "./caller.js";
import { InternalError, invalidField } from "./errors.js";
import { withoutScopeIds, type FilterInput } from "./filters.js";
import type { MemoryChanges } from "./options.js";
import { Pages, type Page } from "./pages.js";
import { fromPlain, snakeCase } from "./plain/from-plain.js";
import { toPlain } from "./plain/to-plain.js";

type Fields = Record<string, unknown>;

const CALL_OPTIONS = ["timeoutMs", "signal", "headers", "maxRetries"] as const;
const SCOPE_IDS = ["userId", "agentId", "appId", "runId"] as const;

/** The options without those of the call itself. */
export function withoutCallOptions(options: CallOptions): Fields {
  const fields: Fields = { ...options };
  for (const name of CALL_OPTIONS) delete fields[name];
  return fields;
}

/**
 * The request's plain form: call options left out, scope ids under `scope`, `filters` as `filter`.
 * mem0's users write the ids into the filter; there they count too, unless given beside it.
 */
export function scopedFields(options: CallOptions): Fields {
  const { filters, ...fields } = withoutCallOptions(options);
  const { ids, filter } = withoutScopeIds(filters as FilterInput | undefined);
  const scope: Fields = ids;
  for (const id of SCOPE_IDS) {
    // mem0's users write them so; taken silently, the call would have no scope.
    if (snakeCase(id) in fields) throw invalidField(snakeCase(id), `is written ${id} here`);
    if (fields[id] !== undefined && fields[id] !== null) scope[id] = fields[id];
    delete fields[id];
  }
  if (Object.keys(scope).length > 0) fields["scope"] = scope;
  if (filter !== undefined) fields["filter"] = filter;
  return fields;
}

/** The request message, with a `request_id` of its own if it takes one and has none. */
export function request<D extends DescMessage>(schema: D, fields: Fields): MessageShape<D> {
  const message = fromPlain(schema, fields);
  const held = message as unknown as { requestId?: string };
  // One id for all tries of the call, so that a repeated write has no second effect.
  if (held.requestId === "") held.requestId = crypto.randomUUID();
  return message;
}

/** The plain form of an UpdateMemoryRequest: the mask names every field that is given, also to clear it. */
export function updateFields(id: string, changes: MemoryChanges): Fields {
  const { etag, reason, mergeMetadata, ...values } = changes;
  const memory: Fields = { id, etag };
  const mask: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    mask.push(snakeCase(name));
    memory[name] = value;
  }
  if (mergeMetadata !== undefined) {
    if ("metadata" in values) throw invalidField("metadata", "cannot be given together with mergeMetadata");
    const kept = Object.entries(mergeMetadata).filter(([, value]) => value !== undefined && value !== null);
    memory["metadata"] = Object.fromEntries(kept);
    mask.push(...Object.keys(mergeMetadata).map((key) => `metadata.${key}`));
  }
  if (mask.length === 0) throw invalidField("memory", "the update changes nothing");
  return { memory, updateMask: mask, reason };
}

/** Makes a call with a plain request and gives the plain answer. `T` is the answer's type in `plain/types.ts`. */
export async function invoke<T>(
  caller: Caller,
  method: DescMethodUnary,
  fields: Fields,
  options: CallOptions,
): Promise<T> {
  const answer = await caller.unary(method, request(method.input, fields), options);
  return toPlain<T>(method.output, answer);
}

/** A paged list over a call: `items` picks the items of a page. */
export function paged<Item, Response extends Page>(
  caller: Caller,
  method: DescMethodUnary,
  fields: Fields,
  options: CallOptions,
  items: (page: Response) => readonly Item[],
): Pages<Item, Response> {
  const read = (pageToken: string | undefined): Promise<Response> =>
    invoke<Response>(caller, method, pageToken === undefined ? fields : { ...fields, pageToken }, options);
  return new Pages(read, items);
}

/** The answers of a call with one plain request, as plain objects. */
export async function* streamed<T>(
  caller: Caller,
  method: DescMethodStreaming,
  fields: Fields,
  options: CallOptions,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const message = request(method.input, fields);
  for await (const answer of caller.stream(method, once(message), options, signal)) {
    yield toPlain<T>(method.output, answer);
  }
}

/** The only part of an answer, which the contract promises to be there. */
export function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new InternalError(`the answer has no ${name}`);
  return value;
}

async function* once<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield await Promise.resolve(value);
}
