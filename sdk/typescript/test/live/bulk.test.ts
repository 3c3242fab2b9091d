/**
 * Bulk, background and point-in-time calls against the server at MNEMON_ADDRESS.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { MnemonClient, type ImportRow } from "../../src/index.js";

const client = new MnemonClient();
const userId = `bulk-${randomBytes(4).toString("hex")}`;

after(() => {
  client.close();
});

test("an import can be sent again, and an export gives back what was imported", async () => {
  const rows: ImportRow[] = Array.from({ length: 750 }, (_, index) => ({
    row: index + 1,
    text: `Fact number ${String(index)} about the garden.`,
    metadata: { number: index },
  }));
  const refused = { row: 751, text: "" };
  const requestId = `import-${userId}`;
  const first = await client.importMemories([...rows, refused], { userId, requestId });
  assert.equal(first.result?.importedCount, 750);
  assert.deepEqual(
    first.result.errors.map((error) => [error.row, error.reason]),
    [[751, "INVALID_FIELD"]],
  );
  await client.importMemories([...rows, refused], { userId, requestId });
  const numbers = new Set<unknown>();
  const exported = client.exportMemories({ userId });
  for await (const memory of exported) numbers.add(memory.metadata?.["number"]);
  assert.equal(numbers.size, 750);
  assert.equal((await client.getAll({ userId, pageSize: 200 })).length, 750);
  assert.ok((exported.sequence ?? 0) > 0);
});

test("an enqueued add is done in the background, and a watch that stands sees it", async () => {
  const scope = { userId: `${userId}-enqueue` };
  const watch = await client.watch(scope).opened();
  const operation = await client.enqueue("I keep bees.", { ...scope, infer: false });
  const done = await client.admin.operations.waitUntilDone(operation.id, { timeoutMs: 30_000 });
  assert.equal(done.state, "SUCCEEDED");
  assert.equal(done.addMemories?.changes[0]?.memory?.text, "I keep bees.");
  for await (const change of watch) {
    assert.deepEqual([change.event, change.memory?.text], ["ADDED", "I keep bees."]);
    break;
  }
});

test("a read at an earlier place in the log sees what was known then", async () => {
  const scope = { userId: `${userId}-past` };
  const added = await client.add("I live in Rome.", { ...scope, infer: false });
  const id = added.changes[0]?.memory?.id ?? "";
  await client.update(id, "I live in Turin.");
  const asOf = { sequence: added.sequence };
  assert.equal((await client.get(id, { asOf })).text, "I live in Rome.");
  const then = await client.getMany([id], { asOf });
  assert.equal(then.memories[0]?.text, "I live in Rome.");
  assert.equal((await client.get(id)).text, "I live in Turin.");
});
