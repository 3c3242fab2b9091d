import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import {
  AbortedError,
  CancelledError,
  DeadlineExceededError,
  InternalError,
  MnemonClient,
  ResourceExhaustedError,
  UnavailableError,
} from "../src/index.js";
import { isRepeatable } from "../src/retries.js";
import { AdminService, MemoryService, SearchService } from "../src/proto.js";
import { CuttingProxy } from "./support/proxy.js";
import { ScriptedError, ScriptedServer, type Script } from "./support/server.js";

/** Fails with each of the errors in turn, then answers. */
function failing(failures: ScriptedError[], answer: unknown = {}): Script {
  return () => {
    const failure = failures.shift();
    if (failure) throw failure;
    return [answer];
  };
}

const away = (): ScriptedError => new ScriptedError(14, "RECORD_UNAVAILABLE");

test("an unavailable server is tried again, with the same request id", async () => {
  await using server = await ScriptedServer.start({ AddMemories: failing([away(), away()]) });
  using client = new MnemonClient({ address: server.address });
  await client.add("I like tea.", { userId: "ana" });
  const ids = server.calls.map((call) => call.request["requestId"]);
  assert.equal(ids.length, 3);
  assert.match(String(ids[0]), /^[0-9a-f-]{36}$/);
  assert.equal(new Set(ids).size, 1);
});

test("a request id of the caller is kept, and two calls have two ids", async () => {
  await using server = await ScriptedServer.start({ DeleteMemories: () => [{ matchedCount: 1 }] });
  using client = new MnemonClient({ address: server.address });
  await client.deleteAll({ userId: "ana", requestId: "mine" });
  await client.deleteAll({ userId: "ana" });
  await client.deleteAll({ userId: "ana" });
  const [first, second, third] = server.calls.map((call) => call.request["requestId"]);
  assert.equal(first, "mine");
  assert.notEqual(second, third);
});

test("the id of an enqueued add is made once too", async () => {
  const operation = { operation: { id: "o1" } };
  await using server = await ScriptedServer.start({ EnqueueMemories: failing([away()], operation) });
  using client = new MnemonClient({ address: server.address });
  assert.equal((await client.enqueue("hi", { userId: "ana" })).id, "o1");
  const ids = server.calls.map((call) => (call.request["add"] as { requestId: string }).requestId);
  assert.equal(ids.length, 2);
  assert.ok(ids[0]);
  assert.equal(ids[0], ids[1]);
});

test("a write whose answer was lost on the way is repeated under its id", async () => {
  await using server = await ScriptedServer.start({
    AddMemories: (_, __) => {
      if (server.count("AddMemories") === 1) {
        proxy.cut();
        return silence();
      }
      return [{ sequence: 7 }];
    },
  });
  await using proxy = await CuttingProxy.start(server.address);
  using client = new MnemonClient({ address: proxy.address });
  assert.equal((await client.add("I like tea.", { userId: "ana" })).sequence, 7);
  const ids = server.calls.map((call) => call.request["requestId"]);
  assert.equal(ids.length, 2);
  assert.equal(ids[0], ids[1]);
});

test("tries are bounded, and the last error is thrown", async () => {
  await using server = await ScriptedServer.start({ GetMemory: failing(Array.from({ length: 9 }, away)) });
  using client = new MnemonClient({ address: server.address, maxRetries: 2 });
  await assert.rejects(client.get("x"), UnavailableError);
  assert.equal(server.count("GetMemory"), 3);
  await assert.rejects(client.get("x", { maxRetries: 0 }), UnavailableError);
  assert.equal(server.count("GetMemory"), 4);
});

test("a call that would do a thing twice is not repeated", async () => {
  await using server = await ScriptedServer.start({ CreateApiKey: failing([away()]) });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(client.admin.keys.create({ role: "READER" }), UnavailableError);
  assert.equal(server.count("CreateApiKey"), 1);
});

test("which calls are safe to repeat is decided for every RPC of the contract", () => {
  const services = [MemoryService, SearchService, AdminService];
  const unsafe = services.flatMap((service) => service.methods).filter((method) => !isRepeatable(method));
  assert.deepEqual(unsafe.map((method) => method.name).sort(), [
    "CancelOperation",
    "CreateApiKey",
    "CreateWebhook",
    "DeleteProject",
    "DeleteWebhook",
    "GenerateInstructions",
    "ImportMemories",
    "LiveSearch",
    "RebuildIndex",
    "RotateApiKey",
    "SelfTestIsolation",
    "TestWebhook",
    "UpdateProject",
    "UpdateSettings",
    "UpdateWebhook",
  ]);
});

test("a rate limit is waited out as long as the server says", async () => {
  const limited = new ScriptedError(8, "RATE_LIMITED", { retryAfter: { seconds: 0n, nanos: 250_000_000 } });
  await using server = await ScriptedServer.start({ CreateApiKey: failing([limited]) });
  using client = new MnemonClient({ address: server.address });
  const begin = performance.now();
  await client.admin.keys.create({ role: "reader" });
  assert.ok(performance.now() - begin >= 250);
  assert.equal(server.count("CreateApiKey"), 2);
});

test("a wait that outlasts the deadline is not begun", async () => {
  const limited = new ScriptedError(8, "RATE_LIMITED", { retryAfter: { seconds: 60n, nanos: 0 } });
  await using server = await ScriptedServer.start({ GetMemory: failing([limited]) });
  using client = new MnemonClient({ address: server.address, timeoutMs: 5000 });
  const begin = performance.now();
  await assert.rejects(
    client.get("x"),
    (error) => error instanceof ResourceExhaustedError && error.retryAfter === 60,
  );
  assert.ok(performance.now() - begin < 2000);
});

test("a used-up quota and a stale etag are not tried again, a lost race is", async () => {
  const memory = { memory: { id: "m" } };
  await using server = await ScriptedServer.start({
    AddMemories: failing([new ScriptedError(8, "QUOTA_EXCEEDED", { retryAfter: { seconds: 0n, nanos: 1 } })]),
    DeleteMemory: failing([new ScriptedError(10, "ETAG_MISMATCH")]),
    RestoreMemory: failing([new ScriptedError(10, "CONCURRENT_CHANGE")], memory),
  });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(client.add("x", { userId: "a" }), ResourceExhaustedError);
  await assert.rejects(client.delete("m", { etag: "e" }), AbortedError);
  assert.equal((await client.restore("m")).id, "m");
  assert.deepEqual(
    [server.count("AddMemories"), server.count("DeleteMemory"), server.count("RestoreMemory")],
    [1, 1, 2],
  );
});

/** Never answers. */
async function* silence(): AsyncGenerator<unknown> {
  await new Promise(() => undefined);
  yield {};
}

test("the deadline ends a call, and the server sees it", async () => {
  await using server = await ScriptedServer.start({ GetMemory: silence });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(client.get("x", { timeoutMs: 150 }), DeadlineExceededError);
  await server.calls[0]?.cancelled;
});

test("an AbortSignal ends a call on both sides; its reason is the cause", async () => {
  const begun = new EventTarget();
  await using server = await ScriptedServer.start({
    Search: () => {
      begun.dispatchEvent(new Event("call"));
      return silence();
    },
  });
  using client = new MnemonClient({ address: server.address });
  const controller = new AbortController();
  const arrived = once(begun, "call");
  const search = client.search("x", { userId: "ana", signal: controller.signal });
  await arrived;
  controller.abort(new Error("the user typed on"));
  await assert.rejects(
    search,
    (error) => error instanceof CancelledError && /typed on/.test(String(error.cause)),
  );
  await server.calls[0]?.cancelled;
});

test("a signal that is aborted already makes no call, and one between tries ends the waiting", async () => {
  await using server = await ScriptedServer.start({ GetMemory: failing(Array.from({ length: 9 }, away)) });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(client.get("x", { signal: AbortSignal.abort() }), CancelledError);
  assert.equal(server.calls.length, 0);
  const limited = new ScriptedError(8, "RATE_LIMITED", { retryAfter: { seconds: 20n, nanos: 0 } });
  await using busy = await ScriptedServer.start({ GetMemory: failing([limited]) });
  using other = new MnemonClient({ address: busy.address });
  await assert.rejects(other.get("x", { signal: AbortSignal.timeout(300) }), CancelledError);
});

test("an answer without its only part is an error, not undefined", async () => {
  await using server = await ScriptedServer.start({ GetMemory: () => [{}] });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(client.get("x"), InternalError);
});
