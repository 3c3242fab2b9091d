import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  MnemonClient,
  BaseClient,
  createGrpcTransport,
  type MemoryHit,
  type PromptContext,
} from "../src/index.js";
import { AdminService, MemoryService, SearchService } from "../src/proto.js";
import { ScriptedServer } from "./support/server.js";

const memory = { memory: { id: "m1", text: "Ana lives in Lisbon." } };
const operation = { operation: { id: "o1", state: "SUCCEEDED" } };

/** Every method once, by the RPC that it calls. */
const CALLS: Record<string, (client: BaseClient) => Promise<unknown>> = {
  AddMemories: (c) => c.add("I like tea.", { userId: "ana" }),
  EnqueueMemories: (c) => c.enqueue("I like tea.", { userId: "ana" }),
  ImportMemories: (c) => c.importMemories([{ text: "Ana likes tea." }], { userId: "ana" }),
  ExportMemories: (c) => c.exportMemories({ userId: "ana" })[Symbol.asyncIterator]().next(),
  GetMemory: (c) => c.get("m1", { asOf: { sequence: 3 } }),
  BatchGetMemories: (c) => c.getMany(["m1"]),
  ListMemories: (c) => c.getAll({ userId: "ana" }),
  UpdateMemory: (c) => c.update("m1", "Ana lives in Porto."),
  DeleteMemory: (c) => c.delete("m1", { reason: "she moved" }),
  RestoreMemory: (c) => c.restore("m1"),
  BatchUpdateMemories: (c) => c.updateMany([{ id: "m1", text: "x" }]),
  BatchDeleteMemories: (c) => c.deleteMany(["m1"]),
  DeleteMemories: (c) => c.deleteAll({ userId: "ana" }),
  ListVersions: (c) => c.history("m1"),
  RevertMemory: (c) => c.revert("m1", 1),
  WatchMemories: (c) => c.watch({ userId: "ana", resume: false })[Symbol.asyncIterator]().next(),
  SubmitFeedback: (c) => c.feedback("m1", "very_negative"),
  Search: (c) => c.search("Where?", { userId: "ana" }),
  StreamSearch: (c) => c.searchStream("Where?", { userId: "ana" }).all(),
  LiveSearch: (c) => {
    const live = c.liveSearch({ userId: "ana" });
    live.end();
    return live.next();
  },
  BuildContext: (c) => c.buildContext("Where?", { userId: "ana", tokenBudget: 100 }),
  CreateProject: (c) => c.admin.projects.create("acme"),
  GetProject: (c) => c.admin.projects.get(),
  ListProjects: (c) => c.admin.projects.list().toArray(),
  UpdateProject: (c) => c.admin.projects.update("acme", { displayName: "Acme" }),
  DeleteProject: (c) => c.admin.projects.delete("acme", { confirmProjectId: "acme" }),
  CreateApiKey: (c) => c.admin.keys.create({ role: "WRITER" }),
  ListApiKeys: (c) => c.admin.keys.list().toArray(),
  RevokeApiKey: (c) => c.admin.keys.revoke("k1"),
  RotateApiKey: (c) => c.admin.keys.rotate("k1", { overlap: 60 }),
  GetSettings: (c) => c.admin.settings.get(),
  UpdateSettings: (c) => c.admin.settings.update({ customInstructions: "Be brief." }),
  GenerateInstructions: (c) => c.admin.settings.generateInstructions("A travel agent."),
  ListEntities: (c) => c.users(),
  GetEntity: (c) => c.admin.entities.get("USER", "ana", { memoryLimit: 3 }),
  DeleteEntity: (c) => c.admin.entities.delete("user", "ana"),
  ListOperations: (c) => c.admin.operations.list({ states: ["PENDING"] }).toArray(),
  GetOperation: (c) => c.admin.operations.get("o1"),
  CancelOperation: (c) => c.admin.operations.cancel("o1"),
  WaitOperation: (c) => c.admin.operations.waitUntilDone("o1"),
  CreateWebhook: (c) => c.admin.webhooks.create({ url: "https://example.com/hook" }),
  GetWebhook: (c) => c.admin.webhooks.get("w1"),
  ListWebhooks: (c) => c.admin.webhooks.list().toArray(),
  UpdateWebhook: (c) => c.admin.webhooks.update("w1", { state: "PAUSED" }),
  DeleteWebhook: (c) => c.admin.webhooks.delete("w1"),
  TestWebhook: (c) => c.admin.webhooks.test("w1"),
  ListWebhookDeliveries: (c) => c.admin.webhooks.listDeliveries("w1", { state: "FAILED" }).toArray(),
  GetUsage: (c) => c.admin.usage.get({ byModel: true }),
  ListRequests: (c) => c.admin.requests.list({ code: "NOT_FOUND" }).toArray(),
  ListAudit: (c) => c.admin.audit.list().toArray(),
  VerifyAudit: (c) => c.admin.audit.verify(),
  GetServerInfo: (c) => c.admin.server.info(),
  VerifyIndex: (c) => c.admin.index.verify({ repair: true }),
  RebuildIndex: (c) => c.admin.index.rebuild(),
  EraseSubject: (c) => c.admin.subjects.erase({ userId: "ana" }),
  SelfTestIsolation: (c) => c.admin.server.selfTestIsolation(),
};

/** What the calls above need to be answered with. */
const ANSWERS: Record<string, unknown> = {
  GetMemory: memory,
  UpdateMemory: memory,
  DeleteMemory: memory,
  RestoreMemory: memory,
  RevertMemory: memory,
  EnqueueMemories: operation,
  DeleteProject: operation,
  DeleteEntity: operation,
  GetOperation: operation,
  CancelOperation: operation,
  WaitOperation: operation,
  RebuildIndex: operation,
  EraseSubject: operation,
  CreateProject: { project: { id: "acme" } },
  GetProject: { project: { id: "acme" } },
  UpdateProject: { project: { id: "acme" } },
  RevokeApiKey: { apiKey: { id: "k1" } },
  GetSettings: { settings: {} },
  UpdateSettings: { settings: {} },
  GetWebhook: { webhook: { id: "w1" } },
  UpdateWebhook: { webhook: { id: "w1" } },
  TestWebhook: { delivery: { id: "d1" } },
};

test("every RPC of the contract has a method that calls it and nothing else", async () => {
  const names = [MemoryService, SearchService, AdminService].flatMap((service) =>
    service.methods.map((m) => m.name),
  );
  assert.deepEqual(Object.keys(CALLS).sort(), names.sort());
  const scripts = Object.fromEntries(Object.entries(ANSWERS).map(([name, answer]) => [name, () => [answer]]));
  await using server = await ScriptedServer.start(scripts);
  using client = new MnemonClient({ address: server.address, maxRetries: 0 });
  for (const [name, call] of Object.entries(CALLS)) {
    server.calls.length = 0;
    await call(client);
    assert.deepEqual(
      server.calls.map((seen) => seen.method),
      [name],
    );
  }
});

test("scope ids in another case are refused instead of ignored", async () => {
  await using server = await ScriptedServer.start();
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(client.search("x", { user_id: "ana" } as never), /user_id: is written userId here/);
  assert.equal(server.calls.length, 0);
});

test("a list goes through all its pages, and no further than it is read", async () => {
  const pages = [["a", "b"], ["c", "d"], ["e"]];
  await using server = await ScriptedServer.start({
    ListMemories: (call) => {
      const number = Number(call.request["pageToken"] || 0);
      const memories = (pages[number] ?? []).map((id) => ({ id }));
      return [{ memories, nextPageToken: number < 2 ? String(number + 1) : "", sequence: 9 }];
    },
  });
  using client = new MnemonClient({ address: server.address });
  const list = client.list({ userId: "ana", pageSize: 2, order: "CREATE_TIME_ASC" });
  assert.deepEqual(
    (await list.toArray()).map((each) => each.id),
    ["a", "b", "c", "d", "e"],
  );
  assert.equal(server.calls.length, 3);
  for await (const each of list) if (each.id === "b") break;
  assert.equal(server.calls.length, 4);
  assert.deepEqual(
    (await list.toArray(3)).map((each) => each.id),
    ["a", "b", "c"],
  );
  const second = await client.list({ userId: "ana", pageToken: "1" }).page();
  assert.deepEqual([second.memories[0]?.id, second.nextPageToken, second.sequence], ["c", "2", 9]);
});

test("an update names in its mask what it is given, also to clear it", async () => {
  await using server = await ScriptedServer.start({
    UpdateMemory: () => [memory],
    BatchUpdateMemories: () => [{}],
  });
  using client = new MnemonClient({ address: server.address });
  await client.update("m1", {
    text: "x",
    expireTime: null,
    categories: [],
    attributedTo: undefined,
    etag: "e1",
  });
  await client.update("m1", { mergeMetadata: { tier: "gold", old: null }, reason: "tidied" });
  await assert.rejects(client.update("m1", {}), /changes nothing/);
  await assert.rejects(client.update("m1", { metadata: {}, mergeMetadata: {} }), /cannot be given together/);
  await client.updateMany([{ id: "m1", text: "x" }]);
  const [first, second, batch] = server.calls.map((call) => call.request);
  assert.deepEqual(first?.["updateMask"], ["text", "expire_time", "categories"]);
  assert.equal((first["memory"] as { etag: string }).etag, "e1");
  assert.deepEqual(second?.["updateMask"], ["metadata.tier", "metadata.old"]);
  assert.deepEqual((second["memory"] as { metadata: unknown }).metadata, { tier: "gold" });
  assert.equal(second["reason"], "tidied");
  // The contract wants the id on the batch, not on its parts.
  assert.ok(batch?.["requestId"]);
  assert.equal((batch["requests"] as { requestId: string }[])[0]?.requestId, "");
});

test("conversations are taken as chat APIs write them", async () => {
  await using server = await ScriptedServer.start();
  using client = new MnemonClient({ address: server.address });
  const context: PromptContext = await client.buildContext("x", { userId: "ana" });
  await client.add(
    [
      context.message,
      { role: "developer", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "Look:" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } },
        ],
      },
      { role: "assistant", content: null },
      {
        role: "user",
        content: "And this",
        name: "Ana",
        observedTime: new Date(0),
        images: [{ uri: "https://x/y.jpg" }],
      },
      "Bye",
    ],
    { userId: "ana" },
  );
  const messages = server.calls[1]?.request["messages"] as Record<string, unknown>[];
  assert.deepEqual(
    messages.map((message) => [message["role"], message["content"]]),
    [
      ["SYSTEM", "Be brief."],
      ["USER", "Look:"],
      ["USER", "And this"],
      ["USER", "Bye"],
    ],
  );
  assert.deepEqual(messages[1]?.["images"], [{ mediaType: "image/png", data: Buffer.from([1, 2, 3]) }]);
  assert.deepEqual([messages[2]?.["name"], messages[2]?.["observedTime"]], ["Ana", new Date(0)]);
});

test("prompt text goes back into a conversation as recalled", async () => {
  await using server = await ScriptedServer.start({
    BuildContext: () => [{ text: "- Ana lives in Lisbon. [m1]" }],
  });
  using client = new MnemonClient({ address: server.address });
  const { message } = await client.buildContext("Where?", { userId: "ana" });
  await client.add([message, { role: "user", content: "Where do I live?" }], { userId: "ana" });
  const [first, second] = server.calls[1]?.request["messages"] as Record<string, unknown>[];
  assert.deepEqual([first?.["role"], first?.["recalled"], second?.["recalled"]], ["SYSTEM", true, false]);
});

test("reset deletes the whole project and waits for the background", async () => {
  const states = ["RUNNING", "SUCCEEDED"];
  await using server = await ScriptedServer.start({
    DeleteMemories: () => [{ matchedCount: 20_000, operation: { id: "o1", state: "PENDING" } }],
    WaitOperation: () => [{ operation: { id: "o1", state: states.shift() } }],
  });
  using client = new MnemonClient({ address: server.address });
  assert.equal(await client.reset(), 20_000);
  assert.equal(server.calls[0]?.request["projectWide"], true);
  assert.equal(server.count("WaitOperation"), 2);
});

test("a search for memories has a memory in every hit, by its type too", async () => {
  await using server = await ScriptedServer.start({
    Search: () => [{ hits: [{ memory: { id: "m1" }, score: 0.7 }] }],
  });
  using client = new MnemonClient({ address: server.address });
  const { hits } = await client.search("x", { userId: "ana" });
  const [first]: readonly MemoryHit[] = hits;
  assert.equal(first?.memory.id, "m1");
  const withMessages = await client.search("x", { userId: "ana", includeMessages: true });
  assert.equal(withMessages.hits[0]?.memory?.id, "m1");
});

test("any transport serves, and the browser's part imports nothing of Node", async () => {
  await using server = await ScriptedServer.start({ GetMemory: () => [memory] });
  using client = new BaseClient(createGrpcTransport({ address: server.address, tls: false }));
  assert.equal((await client.get("m1")).id, "m1");
  const source = resolve(dirname(fileURLToPath(import.meta.url)), "../../src");
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    assert.doesNotMatch(text, /\bBuffer\.|\bprocess\.[a-z]|\brequire\(|__dirname/, file);
    for (const [, from = ""] of text.matchAll(/(?:from|import)\s*\(?"([^"]+)"/g)) {
      if (from.startsWith(".")) visit(join(dirname(file), from.replace(/\.js$/, ".ts")));
      else assert.match(from, /^@bufbuild\/protobuf(\/|$)/, file);
    }
  };
  visit(join(source, "core.ts"));
  assert.ok(seen.size > 15);
  assert.ok(readdirSync(join(source, "node")).every((file) => !seen.has(join(source, "node", file))));
});
