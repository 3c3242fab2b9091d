/**
 * Plays the scenarios of tests/scenarios through the client's public methods.
 *
 * A request is proto JSON; the client takes plain objects. So the request is read into its message,
 * the message becomes plain, and the method gets it in the form in which a user writes it. The
 * answer goes the way back.
 */
import { fromJson, toJson, type DescMessage, type DescMethod, type JsonValue } from "@bufbuild/protobuf";
import { MnemonError, type BaseClient, type Pages, type Page } from "../../src/index.js";
import { fromPlain } from "../../src/plain/from-plain.js";
import { toPlain } from "../../src/plain/to-plain.js";
import { AdminService, FilterSchema, MemoryService, SearchService, type Filter } from "../../src/proto.js";
import { mismatch, type Json } from "./matching.js";

/** One step of a scenario. */
export interface Step {
  readonly call: string;
  readonly request?: Json;
  readonly expect?: Json;
  readonly error?: {
    readonly code: string;
    readonly reason?: string;
    readonly fields?: readonly string[];
    readonly metadata?: Json;
  };
  readonly save?: Readonly<Record<string, string>>;
  readonly key?: string;
  readonly timeout?: number;
  readonly take?: number;
  readonly all_pages?: boolean;
}

/** A file of tests/scenarios. */
export interface Scenario {
  readonly title: string;
  readonly needs?: readonly string[];
  readonly steps: readonly Step[];
}

type Plain = Record<string, unknown>;
type Method = (client: BaseClient, request: Plain, step: Step) => Promise<unknown>;

/** The variables of a scenario, and clients by key. */
export class Player {
  readonly #variables: Map<string, Json>;
  readonly #client: (key: string | undefined) => BaseClient;

  constructor(variables: Readonly<Record<string, Json>>, client: (key: string | undefined) => BaseClient) {
    this.#variables = new Map(Object.entries(variables));
    this.#client = client;
  }

  /** Plays the steps one after the other; throws at the first that does not come out as it should. */
  async play(scenario: Scenario): Promise<void> {
    for (const [index, step] of scenario.steps.entries()) {
      try {
        await this.#step(step);
      } catch (error) {
        throw new Error(`step ${String(index + 1)}, ${step.call}: ${String(error)}`, { cause: error });
      }
    }
  }

  async #step(written: Step): Promise<void> {
    // What a step asks for is known when it is played; what it saves is a path, not a text.
    const { save, ...rest } = written;
    const step = this.#fill(rest as unknown as Json) as unknown as Step;
    let answer: Json;
    try {
      answer = await call(this.#client(step.key), step);
    } catch (error) {
      if (step.error === undefined || !(error instanceof MnemonError)) throw error;
      return checkError(step.error, error);
    }
    if (step.error !== undefined) throw new Error(`it should have failed with ${step.error.code}`);
    const wrong = step.expect === undefined ? undefined : mismatch(step.expect, answer);
    if (wrong !== undefined) throw new Error(wrong);
    for (const [name, path] of Object.entries(save ?? {})) this.#variables.set(name, at(answer, path));
  }

  #fill(value: Json): Json {
    if (typeof value === "string") {
      const only = /^\$\{(\w+)\}$/.exec(value)?.[1];
      if (only !== undefined) return this.#variable(only);
      return value.replace(/\$\{(\w+)\}/g, (_, name: string) => String(this.#variable(name)));
    }
    if (Array.isArray(value)) return value.map((part) => this.#fill(part));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, this.#fill(part)]));
  }

  #variable(name: string): Json {
    const value = this.#variables.get(name);
    if (value === undefined) throw new Error(`nothing was saved as ${name}`);
    return value;
  }
}

function checkError(expected: NonNullable<Step["error"]>, error: MnemonError): void {
  const { code, reason, violations, metadata } = error;
  const fields = violations.map((violation) => violation.field);
  const wrong =
    mismatch(expected.code, code, "code") ??
    (expected.reason === undefined ? undefined : mismatch(expected.reason, reason, "reason")) ??
    mismatch({ $has: [...(expected.fields ?? [])] }, fields, "fields") ??
    mismatch(expected.metadata ?? {}, { ...metadata }, "metadata");
  if (wrong !== undefined) throw new Error(`${wrong} (${error.message})`, { cause: error });
}

/** The value at a path as `changes[0].memory.id`. */
function at(answer: Json, path: string): Json {
  const value = path
    .split(/[.[\]]+/)
    .filter((part) => part !== "")
    .reduce<Json | undefined>(
      (held, key) =>
        typeof held === "object" && held !== null ? (held as Record<string, Json>)[key] : undefined,
      answer,
    );
  if (value === undefined) throw new Error(`the answer has nothing at ${path}`);
  return value;
}

const DESCRIPTORS = new Map(
  [MemoryService, SearchService, AdminService].flatMap((service) =>
    service.methods.map((method): [string, DescMethod] => [`${service.name}/${method.name}`, method]),
  ),
);

async function call(client: BaseClient, step: Step): Promise<Json> {
  const descriptor = DESCRIPTORS.get(step.call);
  if (descriptor === undefined) throw new Error("there is no such RPC");
  const special = STREAMS[descriptor.name];
  if (special !== undefined) return special(client, step, descriptor);
  const method = METHODS[descriptor.name];
  if (method === undefined) throw new Error("the player does not know this RPC");
  const request = plainRequest(descriptor.input, step.request ?? {});
  const answer = await method(client, { ...request, timeoutMs: (step.timeout ?? 30) * 1000 }, step);
  return protoJson(descriptor.output, answer);
}

/** The fields that the step gives, in plain form; filters stay protobuf messages. */
function plainRequest(schema: DescMessage, json: Json): Plain {
  const given = json as Record<string, Json>;
  const { filter, ...rest } = given;
  const whole = toPlain<Plain>(schema, fromJson(schema, rest as JsonValue));
  const named = Object.keys(rest).map(camel);
  const plain = Object.fromEntries(named.map((name) => [name, onlyWritten(whole[name], rest[snake(name)])]));
  if (filter === undefined) return plain;
  const message: Filter = fromJson(FilterSchema, filter as JsonValue);
  return { ...plain, filters: message };
}

/** Of a message's plain form, only what was written: the client tells "left out" from "empty". */
function onlyWritten(plain: unknown, written: Json | undefined): unknown {
  if (plain instanceof Date || plain instanceof Uint8Array || typeof plain !== "object" || plain === null)
    return plain;
  if (Array.isArray(plain)) return plain.map((part, index) => onlyWritten(part, (written as Json[])[index]));
  if (typeof written !== "object" || written === null) return plain;
  const parts = Object.entries(written).map(([key, value]) => {
    const name = key in plain ? key : camel(key);
    return [name, onlyWritten((plain as Plain)[name], value)];
  });
  return Object.fromEntries(parts) as unknown;
}

function protoJson(schema: DescMessage, plain: unknown): Json {
  const options = { alwaysEmitImplicit: true, useProtoFieldName: true } as const;
  return toJson(schema, fromPlain(schema, plain), options) as Json;
}

const camel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A request with the scope's ids beside the other fields, as the client's methods take it. */
function flat(request: Plain): never {
  const { scope, ...rest } = request;
  return { ...rest, ...(scope as Plain | undefined) } as never;
}

/** The request without these fields, which go to the method by their place. */
function without(request: Plain, ...names: string[]): never {
  return Object.fromEntries(Object.entries(request).filter(([name]) => !names.includes(name))) as never;
}

function listed<Item, P extends Page>(list: Pages<Item, P>, step: Step, items: string): Promise<unknown> {
  return step.all_pages === true ? list.toArray().then((all) => ({ [items]: all })) : list.page();
}

/** What an update says, without the memory's id and with only the fields that the mask names. */
function changes({ memory, updateMask, reason }: Plain): Plain & { id: string } {
  const { id, etag, ...values } = memory as Plain & { id: string };
  const mask = updateMask as string[] | undefined;
  if (mask === undefined) return { id, etag, reason, ...values };
  const whole = mask.filter((path) => !path.includes(".")).map(camel);
  const result: Plain & { id: string } = { id, etag, reason };
  for (const name of whole) result[name] = values[name] ?? null;
  const keys = mask
    .filter((path) => path.startsWith("metadata."))
    .map((path) => path.slice("metadata.".length));
  const metadata = (values["metadata"] ?? {}) as Plain;
  if (keys.length > 0)
    result["mergeMetadata"] = Object.fromEntries(keys.map((key) => [key, metadata[key] ?? null]));
  return result;
}

const METHODS: Record<string, Method> = {
  AddMemories: (c, r) => c.add((r["messages"] ?? []) as never, without(flat(r), "messages")),
  EnqueueMemories: async (c, r) => {
    const add = flat({ ...(r["add"] as Plain), timeoutMs: r["timeoutMs"] });
    return { operation: await c.enqueue((add["messages"] ?? []) as never, without(add, "messages")) };
  },
  GetMemory: async (c, r) => ({ memory: await c.get(r["id"] as string, without(r, "id")) }),
  BatchGetMemories: (c, r) => c.getMany(r["ids"] as string[], without(r, "ids")),
  ListMemories: (c, r, step) => listed(c.list(flat(r)), step, "memories"),
  UpdateMemory: async (c, r) => {
    const { id, ...values } = changes(r);
    return { memory: await c.update(id, values, without(r, "memory", "updateMask", "reason")) };
  },
  DeleteMemory: async (c, r) => ({ memory: await c.delete(r["id"] as string, without(r, "id")) }),
  RestoreMemory: async (c, r) => ({ memory: await c.restore(r["id"] as string, without(r, "id")) }),
  BatchUpdateMemories: async (c, r) => {
    const updates = (r["requests"] as Plain[]).map(changes);
    return { memories: await c.updateMany(updates, without(r, "requests")) };
  },
  BatchDeleteMemories: async (c, r) => ({
    deletedCount: await c.deleteMany(r["ids"] as string[], without(r, "ids")),
  }),
  DeleteMemories: (c, r) => c.deleteAll(flat(r)),
  ListVersions: (c, r, step) =>
    listed(c.listVersions(r["memoryId"] as string, without(r, "memoryId")), step, "versions"),
  RevertMemory: async (c, r) => ({
    memory: await c.revert(r["id"] as string, r["version"] as number, without(r, "id", "version")),
  }),
  SubmitFeedback: async (c, r) => ({
    feedbackId: await c.feedback(
      r["memoryId"] as string,
      r["rating"] as never,
      without(r, "memoryId", "rating"),
    ),
  }),
  Search: (c, r) => c.search(r["query"] as string, without(flat(r), "query")),
  BuildContext: async (c, r) => {
    const { search, ...rest } = r;
    const options = flat({ ...(search as Plain), ...rest });
    return without(
      { ...(await c.buildContext((search as { query: string }).query, without(options, "query"))) },
      "message",
    );
  },
  CreateProject: async (c, r) => ({
    project: await c.admin.projects.create(r["projectId"] as string, without(r, "projectId")),
  }),
  GetProject: async (c, r) => ({
    project: await c.admin.projects.get(r["projectId"] as string | undefined, without(r, "projectId")),
  }),
  ListProjects: (c, r, step) => listed(c.admin.projects.list(r as never), step, "projects"),
  UpdateProject: async (c, r) => {
    const { id, ...values } = r["project"] as Plain;
    return { project: await c.admin.projects.update(id as string, values, without(r, "project")) };
  },
  DeleteProject: async (c, r) => ({
    operation: await c.admin.projects.delete(r["projectId"] as string, without(r, "projectId")),
  }),
  CreateApiKey: (c, r) => c.admin.keys.create(r as never),
  ListApiKeys: (c, r, step) => listed(c.admin.keys.list(r as never), step, "apiKeys"),
  RevokeApiKey: async (c, r) => ({
    apiKey: await c.admin.keys.revoke(r["keyId"] as string, without(r, "keyId")),
  }),
  RotateApiKey: (c, r) => c.admin.keys.rotate(r["keyId"] as string, without(r, "keyId")),
  GetSettings: async (c, r) => ({ settings: await c.admin.settings.get(r) }),
  UpdateSettings: async (c, r) => ({
    settings: await c.admin.settings.update(r["settings"] as never, without(r, "settings")),
  }),
  GenerateInstructions: (c, r) =>
    c.admin.settings.generateInstructions(r["useCase"] as string, without(r, "useCase")),
  ListEntities: (c, r, step) => listed(c.admin.entities.list(r as never), step, "entities"),
  GetEntity: (c, r) => c.admin.entities.get(r["kind"] as never, r["id"] as string, without(r, "kind", "id")),
  DeleteEntity: async (c, r) => ({
    operation: await c.admin.entities.delete(r["kind"] as never, r["id"] as string, without(r, "kind", "id")),
  }),
  ListOperations: (c, r, step) => listed(c.admin.operations.list(r as never), step, "operations"),
  GetOperation: async (c, r) => ({
    operation: await c.admin.operations.get(r["id"] as string, without(r, "id")),
  }),
  CancelOperation: async (c, r) => ({
    operation: await c.admin.operations.cancel(r["id"] as string, without(r, "id")),
  }),
  WaitOperation: async (c, r) => ({
    operation: await c.admin.operations.wait(r["id"] as string, without(r, "id")),
  }),
  CreateWebhook: (c, r) => c.admin.webhooks.create(r["webhook"] as never, without(r, "webhook")),
  GetWebhook: async (c, r) => ({ webhook: await c.admin.webhooks.get(r["id"] as string, without(r, "id")) }),
  ListWebhooks: (c, r, step) => listed(c.admin.webhooks.list(r as never), step, "webhooks"),
  UpdateWebhook: async (c, r) => {
    const { id, ...values } = r["webhook"] as Plain;
    return { webhook: await c.admin.webhooks.update(id as string, values, without(r, "webhook")) };
  },
  DeleteWebhook: async (c, r) => {
    await c.admin.webhooks.delete(r["id"] as string, without(r, "id"));
    return {};
  },
  TestWebhook: async (c, r) => ({
    delivery: await c.admin.webhooks.test(r["id"] as string, without(r, "id")),
  }),
  ListWebhookDeliveries: (c, r, step) =>
    listed(
      c.admin.webhooks.listDeliveries(r["webhookId"] as string, without(r, "webhookId")),
      step,
      "deliveries",
    ),
  GetUsage: (c, r) => c.admin.usage.get(r),
  ListRequests: (c, r, step) => listed(c.admin.requests.list(r as never), step, "requests"),
  ListAudit: (c, r, step) => listed(c.admin.audit.list(r as never), step, "entries"),
  VerifyAudit: (c, r) => c.admin.audit.verify(r),
  GetServerInfo: (c, r) => c.admin.server.info(r),
  VerifyIndex: (c, r) => c.admin.index.verify(r),
  RebuildIndex: async (c, r) => ({ operation: await c.admin.index.rebuild(r) }),
  EraseSubject: async (c, r) => ({
    operation: await c.admin.subjects.erase(r["subject"] as never, without(r, "subject")),
  }),
  SelfTestIsolation: (c, r) => c.admin.server.selfTestIsolation(r),
};

type StreamPlayer = (client: BaseClient, step: Step, descriptor: DescMethod) => Promise<Json>;

/** RPCs whose answers the scenarios bring into one shape. */
const STREAMS: Record<string, StreamPlayer> = {
  ImportMemories: async (client, step, { output }) => {
    const { options, rows } = step.request as Record<string, Json>;
    const [importOptions, importRows] = ["ImportOptions", "ImportRow"].map(messageNamed);
    const given = plainRequest(importOptions as DescMessage, options ?? {});
    const plainRows = (rows as Json[]).map((row) => plainRequest(importRows as DescMessage, row));
    const timeoutMs = (step.timeout ?? 30) * 1000;
    return protoJson(
      output,
      await client.importMemories(plainRows, { ...(flat(given) as Plain), timeoutMs }),
    );
  },
  ExportMemories: async (client, step, { input, output }) => {
    const whole: Record<"memories" | "versions", unknown[]> = { memories: [], versions: [] };
    const stream = client.exportMemories(flat(plainRequest(input, step.request ?? {})));
    for await (const piece of stream.pieces()) {
      whole.memories.push(...piece.memories);
      whole.versions.push(...piece.versions);
    }
    return protoJson(output, { ...whole, sequence: stream.sequence });
  },
  WatchMemories: async (client, step, { input, output }) => {
    const versions: unknown[] = [];
    const signal = AbortSignal.timeout((step.timeout ?? 30) * 1000);
    for await (const version of client.watch({
      ...(flat(plainRequest(input, step.request ?? {})) as Plain),
      signal,
    })) {
      versions.push(version);
      if (versions.length >= (step.take ?? 1)) break;
    }
    return protoJson(output, { versions });
  },
  StreamSearch: async (client, step, { input }) => {
    const { search, ...rest } = plainStream(input, step.request ?? {});
    const options = flat({ ...search, ...rest });
    const stream = client.searchStream(search["query"] as string, without(options, "query"));
    const hits = await stream.all();
    return protoJson(messageNamed("SearchResponse"), { hits, summary: stream.summary });
  },
  LiveSearch: async (client, step) => {
    const { search, utterances } = step.request as Record<string, Json>;
    const options = flat(plainRequest(messageNamed("SearchRequest"), search ?? {}));
    await using live = client.liveSearch(without(options, "query"));
    let hits: unknown = [];
    for (const utterance of utterances as { text: string; final?: boolean }[]) {
      if (utterance.final === true) hits = await live.ask(utterance.text);
      else live.send(utterance.text);
    }
    return protoJson(messageNamed("SearchResponse"), { hits });
  },
};

function plainStream(input: DescMessage, json: Json): Plain & { search: Plain } {
  const { search, ...rest } = json as Record<string, Json>;
  return { ...plainRequest(input, rest), search: plainRequest(messageNamed("SearchRequest"), search ?? {}) };
}

function messageNamed(name: string): DescMessage {
  const files = [MemoryService, SearchService].map((service) => service.file);
  const found = files.flatMap((file) => file.messages).find((message) => message.name === name);
  if (found === undefined) throw new Error(`the contract has no message ${name}`);
  return found;
}
