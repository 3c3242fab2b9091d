import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { CancelledError, MnemonClient, NotFoundError, UnavailableError } from "../src/index.js";
import { CuttingProxy } from "./support/proxy.js";
import { ScriptedError, ScriptedServer, type Script } from "./support/server.js";

const version = (sequence: number): object => ({ sequence, memoryId: `m${String(sequence)}` });
const piece = (...sequences: number[]): object => ({
  versions: sequences.map(version),
  resumeToken: `after ${String(sequences.at(-1))}`,
  sequence: sequences.at(-1),
});

/** Answers these, then stays open without a word. */
const andWait = (...answers: unknown[]): Script =>
  async function* () {
    yield* answers;
    await new Promise(() => undefined);
  };

/** Answers as each script in turn says, one for each call. */
function inTurn(...scripts: Script[]): Script {
  return (call, requests) => {
    const script = scripts.shift();
    assert.ok(script, "the server was called once too often");
    return script(call, requests);
  };
}

const broken = (...answers: unknown[]): Script =>
  function* () {
    yield* answers;
    throw new ScriptedError(14, "SHUTTING_DOWN");
  };

test("leaving the loop cancels the call on the server", async () => {
  await using server = await ScriptedServer.start({ WatchMemories: andWait(piece(1, 2)) });
  using client = new MnemonClient({ address: server.address });
  for await (const change of client.watch({ userId: "ana" })) {
    assert.equal(change.memoryId, "m1");
    break;
  }
  await server.calls[0]?.cancelled;
});

test("an exception in the loop, cancel() and await using cancel it too", async () => {
  await using server = await ScriptedServer.start({ StreamSearch: andWait({ page: { hits: [] } }) });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(async () => {
    for await (const _ of client.searchStream("x", { userId: "ana" })) throw new Error("out");
  }, /out/);
  const stream = client.searchStream("x", { userId: "ana" });
  await stream.next();
  const waiting = stream.next();
  stream.cancel();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  {
    await using left = client.searchStream("x", { userId: "ana" });
    await left.next();
  }
  assert.equal(server.calls.length, 3);
  await Promise.all(server.calls.map((call) => call.cancelled));
});

test("an AbortSignal ends a stream with CancelledError", async () => {
  await using server = await ScriptedServer.start({ WatchMemories: andWait(piece(1)) });
  using client = new MnemonClient({ address: server.address });
  const controller = new AbortController();
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const change of client.watch({ userId: "ana", signal: controller.signal })) {
      seen.push(change.sequence);
      setImmediate(() => {
        controller.abort();
      });
    }
  }, CancelledError);
  assert.deepEqual(seen, [1]);
  await server.calls[0]?.cancelled;
});

test("a stream that nobody reads makes no call", async () => {
  await using server = await ScriptedServer.start({});
  using client = new MnemonClient({ address: server.address });
  client.watch({ userId: "ana" });
  client.searchStream("x", { userId: "ana" });
  client.liveSearch({ userId: "ana" });
  await client.search("x", { userId: "ana" });
  assert.deepEqual(
    server.calls.map((call) => call.method),
    ["Search"],
  );
});

test("a watch goes on after a break where it stopped: nothing missing, nothing twice", async () => {
  await using server = await ScriptedServer.start({
    WatchMemories: inTurn(
      broken(piece(1, 2), { resumeToken: "after 5", sequence: 5 }),
      broken(),
      () => [piece(6)],
      andWait(piece(7)),
    ),
  });
  using client = new MnemonClient({ address: server.address });
  const watch = client.watch({ userId: "ana", afterSequence: 0, events: ["ADDED"] });
  const seen: number[] = [];
  for await (const change of watch) {
    seen.push(change.sequence);
    if (change.sequence === 7) break;
  }
  assert.deepEqual(seen, [1, 2, 6, 7]);
  assert.deepEqual(
    server.calls.map((call) => call.request["resumeToken"] ?? call.request["afterSequence"]),
    [0, "after 5", "after 5", "after 6"],
  );
  assert.deepEqual(server.calls[3]?.request["events"], ["ADDED"]);
  assert.equal(watch.resumeToken, "after 7");
});

test("a connection that is cut in the middle of a watch is made again", async () => {
  await using server = await ScriptedServer.start({
    WatchMemories: inTurn(andWait(piece(1)), andWait(piece(2)), andWait(piece(3))),
  });
  await using proxy = await CuttingProxy.start(server.address);
  using client = new MnemonClient({ address: proxy.address });
  const seen: number[] = [];
  for await (const change of client.watch({ userId: "ana" })) {
    seen.push(change.sequence);
    if (change.sequence === 3) break;
    proxy.cut();
  }
  assert.deepEqual(seen, [1, 2, 3]);
  assert.deepEqual(
    server.calls.map((call) => call.request["resumeToken"]),
    [undefined, "after 1", "after 2"],
  );
});

test("who leaves in the middle of a piece keeps the token before it", async () => {
  await using server = await ScriptedServer.start({ WatchMemories: andWait(piece(1), piece(2, 3)) });
  using client = new MnemonClient({ address: server.address });
  const watch = client.watch({ userId: "ana" });
  const tokens: (string | undefined)[] = [];
  for await (const change of watch) {
    tokens.push(watch.resumeToken);
    if (change.sequence === 3) break;
  }
  assert.deepEqual(tokens, ["after 1", "after 1", "after 3"]);
});

test("a reader that was too slow goes on; a refused watch, and one without resume, does not", async () => {
  await using server = await ScriptedServer.start({
    WatchMemories: inTurn(
      function* () {
        yield piece(1);
        throw new ScriptedError(8, "WATCHER_TOO_SLOW");
      },
      function* () {
        yield piece(2);
        throw new ScriptedError(5, "RESOURCE_NOT_FOUND");
      },
      broken(piece(3)),
    ),
  });
  using client = new MnemonClient({ address: server.address });
  const seen: number[] = [];
  const read = async (resume: boolean): Promise<void> => {
    for await (const change of client.watch({ userId: "ana", resume })) seen.push(change.sequence);
  };
  await assert.rejects(read(true), NotFoundError);
  await assert.rejects(read(false), UnavailableError);
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a watch that never begins gives up after its tries", async () => {
  await using server = await ScriptedServer.start({ WatchMemories: broken() });
  using client = new MnemonClient({ address: server.address, maxRetries: 1 });
  await assert.rejects(client.watch({ userId: "ana" })[Symbol.asyncIterator]().next(), UnavailableError);
  assert.equal(server.calls.length, 2);
});

test("a watch that was opened stands, and its first piece is still read", async () => {
  await using server = await ScriptedServer.start({ WatchMemories: andWait(piece(1), piece(2)) });
  using client = new MnemonClient({ address: server.address });
  const watch = await client.watch({ userId: "ana" }).opened();
  assert.equal(server.calls.length, 1);
  const seen: number[] = [];
  for await (const change of watch) {
    seen.push(change.sequence);
    if (change.sequence === 2) break;
  }
  assert.deepEqual(seen, [1, 2]);
  await server.calls[0]?.cancelled;
  const left = await client.watch({ userId: "ana" }).opened();
  for await (const _ of left) break;
  await server.calls[1]?.cancelled;
});

test("an export goes on after a break, and ends when the server ends it", async () => {
  const memories = (token: string, ...ids: string[]): object => ({
    memories: ids.map((id) => ({ id })),
    resumeToken: token,
    sequence: 9,
  });
  await using server = await ScriptedServer.start({
    ExportMemories: inTurn(broken(memories("t1", "a", "b")), () => [memories("t2", "c")]),
  });
  using client = new MnemonClient({ address: server.address });
  const all = client.exportMemories({ userId: "ana", filters: { tier: "gold" } });
  const ids: string[] = [];
  for await (const memory of all) ids.push(memory.id);
  assert.deepEqual(ids, ["a", "b", "c"]);
  assert.equal(all.sequence, 9);
  assert.equal(server.calls[1]?.request["resumeToken"], "t1");
});

test("a slow reader holds the server back instead of filling its own memory", async () => {
  let sent = 0;
  const text = "x".repeat(64 << 10);
  await using server = await ScriptedServer.start({
    ExportMemories: function* () {
      for (; sent < 2000; sent++) yield { memories: [{ id: String(sent), text }], resumeToken: String(sent) };
    },
  });
  using client = new MnemonClient({ address: server.address });
  const reader = client.exportMemories({ userId: "ana" })[Symbol.asyncIterator]();
  await reader.next();
  await delay(200);
  assert.ok(sent < 100, `${String(sent)} messages were taken in for one that was read`);
  for (let read = 1; read < 200; read++) assert.equal((await reader.next()).value?.id, String(read));
  await reader.return();
});

const hit = (id: string, rank: number, score = 0.5): object => ({ memory: { id }, rank, score });

test("a search stream keeps the order of its hits through a reranker's moves", async () => {
  await using server = await ScriptedServer.start({
    StreamSearch: () => [
      { page: { hits: [hit("a", 1), hit("b", 2)] } },
      { page: { hits: [hit("c", 3)] } },
      {
        revision: {
          moves: [
            { memoryId: "c", fromRank: 3, toRank: 1, score: 0.9 },
            { memoryId: "a", fromRank: 1, toRank: 3, score: 0.4 },
            { memoryId: "b", fromRank: 2, toRank: 0 },
            { memoryId: "d", fromRank: 0, toRank: 2, score: 0.8, hit: hit("d", 2, 0.8) },
          ],
        },
      },
      { summary: { matchedCount: 4 } },
    ],
  });
  using client = new MnemonClient({ address: server.address });
  const stream = client.searchStream("x", { userId: "ana", pageSize: 2, topK: 3 });
  const hits = await stream.all();
  assert.deepEqual(
    hits.map((each) => [each.memory?.id, each.rank, each.score]),
    [
      ["c", 1, 0.9],
      ["d", 2, 0.8],
      ["a", 3, 0.4],
    ],
  );
  assert.equal(stream.summary?.matchedCount, 4);
  assert.equal(server.calls[0]?.request["pageSize"], 2);
});

test("a live search answers what was said, and keeps the order of its hits", async () => {
  await using server = await ScriptedServer.start({
    LiveSearch: async function* (_, requests) {
      let revision = 0;
      for await (const { utterance } of requests) {
        const { text, final } = utterance as { text: string; final: boolean };
        revision += 1;
        yield revision === 1
          ? { revision, text, final, added: [hit("a", 1), hit("b", 2)] }
          : {
              revision,
              text,
              final,
              removedMemoryIds: ["a"],
              moved: [{ memoryId: "b", fromRank: 2, toRank: 1, score: 1 }],
            };
      }
    },
  });
  using client = new MnemonClient({ address: server.address });
  const live = client.liveSearch({ userId: "ana", topK: 2 });
  live.send("Where");
  assert.deepEqual((await live.next()).value?.text, "Where");
  assert.deepEqual(
    live.hits.map((each) => each.memory?.id),
    ["a", "b"],
  );
  const hits = await live.ask("Where does she live?");
  assert.deepEqual(
    hits.map((each) => [each.memory?.id, each.rank, each.score]),
    [["b", 1, 1]],
  );
  live.end();
  assert.equal((await live.next()).done, true);
  assert.equal((server.calls[0]?.request["search"] as { topK: number }).topK, 2);
});

test("leaving a live search cancels it", async () => {
  await using server = await ScriptedServer.start({ LiveSearch: andWait({ revision: 1 }) });
  using client = new MnemonClient({ address: server.address });
  for await (const _ of client.liveSearch({ userId: "ana" })) break;
  await server.calls[0]?.cancelled;
});

test("an import sends options, then rows in batches, and answers the counts", async () => {
  const batches: number[] = [];
  await using server = await ScriptedServer.start({
    ImportMemories: async function* (_, requests) {
      for await (const { rows } of requests) batches.push((rows as { rows: unknown[] }).rows.length);
      yield { result: { importedCount: batches.reduce((sum, size) => sum + size, 0) } };
    },
  });
  using client = new MnemonClient({ address: server.address });
  async function* rows(): AsyncGenerator<{ text: string }> {
    for (let row = 0; row < 1200; row++) yield await Promise.resolve({ text: `row ${String(row)}` });
  }
  const answer = await client.importMemories(rows(), { userId: "ana" });
  assert.equal(answer.result?.importedCount, 1200);
  assert.deepEqual(batches, [500, 500, 200]);
  const large = Array.from({ length: 100 }, () => ({ text: "x".repeat(32_000) }));
  batches.length = 0;
  await client.importMemories(large, { userId: "ana" });
  assert.ok(batches.length >= 4, "a batch stays below the server's message limit");
  const options = server.calls[0]?.request["options"] as { requestId: string; scope: { userId: string } };
  assert.equal(options.scope.userId, "ana");
  assert.ok(options.requestId);
});

test("a row that cannot be sent fails the import with its own error and ends the call", async () => {
  await using server = await ScriptedServer.start({
    ImportMemories: async function* (_, requests) {
      for await (const _ of requests);
      yield {};
    },
  });
  using client = new MnemonClient({ address: server.address });
  await assert.rejects(
    client.importMemories([{ txt: "?" } as never], { userId: "ana" }),
    /txt: is no field of ImportRow/,
  );
  await assert.rejects(
    client.importMemories(
      (function* () {
        yield { text: "one" };
        throw new Error("the file is broken");
      })(),
      { userId: "ana" },
    ),
    /the file is broken/,
  );
});

test("closing the client ends its calls and streams", async () => {
  await using server = await ScriptedServer.start({ WatchMemories: andWait(piece(1)) });
  const client = new MnemonClient({ address: server.address });
  const watch = client.watch({ userId: "ana", resume: false })[Symbol.asyncIterator]();
  await watch.next();
  const waiting = watch.next();
  client.close();
  await assert.rejects(waiting, CancelledError);
  await server.calls[0]?.cancelled;
});
