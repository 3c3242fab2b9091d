import { create, toJson } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { test } from "node:test";
import { F, InvalidArgumentError, MnemonClient, filterFrom, type FilterInput } from "../src/index.js";
import { ComparisonSchema, FilterSchema, Operator } from "../src/proto.js";
import { ScriptedServer } from "./support/server.js";

/** A filter as short nested lists: `["and", [field, operator, value], …]`. */
function shape(filter: FilterInput): unknown {
  const json = toJson(FilterSchema, filterFrom(filter)) as Record<string, never>;
  const walk = (node: Record<string, never>): unknown => {
    if (node["andGroup"]) return ["and", ...(node["andGroup"]["filters"] as never[]).map(walk)];
    if (node["orGroup"]) return ["or", ...(node["orGroup"]["filters"] as never[]).map(walk)];
    if (node["notFilter"]) return ["not", walk(node["notFilter"])];
    const { field, operator, value } = node["comparison"] as unknown as Record<string, string>;
    return [field, operator?.replace("OPERATOR_", ""), value];
  };
  return walk(json);
}

test("the builder names a field, compares it and joins conditions", () => {
  assert.deepEqual(shape(F.metadata("tier").eq("gold")), ["metadata.tier", "EQ", "gold"]);
  assert.deepEqual(shape(F.categories.contains("food").and(F.metadata("stars").lt(4).not())), [
    "and",
    ["categories", "CONTAINS", "food"],
    ["not", ["metadata.stars", "LT", 4]],
  ]);
  assert.deepEqual(shape(F.eventTime.gte(new Date(0)).or(F.metadata("pinned").exists())), [
    "or",
    ["event_time", "GTE", "1970-01-01T00:00:00.000Z"],
    ["metadata.pinned", "EXISTS", true],
  ]);
  assert.deepEqual(shape(F.type.in(["semantic", "EPISODIC"])), ["type", "IN", ["SEMANTIC", "EPISODIC"]]);
});

test("groups of one kind become one group", () => {
  const filter = F.and(F.userId.ne("a"), F.and(F.appId.notIn(["b"]), F.runId.startsWith("c")));
  assert.equal((shape(filter) as unknown[]).length, 4);
});

test("mem0's JSON means the same, with or without $", () => {
  const wanted = [
    "and",
    ["or", ["categories", "CONTAINS", "food"], ["categories", "CONTAINS", "travel"]],
    ["metadata.tier", "EQ", "gold"],
  ];
  const plain = { AND: [{ categories: { in: ["food", "travel"] } }, { metadata: { tier: "gold" } }] };
  const dollars = { $and: [{ categories: { $in: ["food", "travel"] } }, { tier: { $eq: "gold" } }] };
  assert.deepEqual(shape(plain), wanted);
  assert.deepEqual(shape(dollars), wanted);
});

test("several keys must all hold, NOT takes a list of which none may hold", () => {
  assert.deepEqual(
    shape({ created_at: { gte: "2026-05-07", lt: "2026-05-08" }, NOT: [{ a: 1 }, { b: 2 }] }),
    [
      "and",
      ["create_time", "GTE", "2026-05-07T00:00:00Z"],
      ["create_time", "LT", "2026-05-08T00:00:00Z"],
      ["not", ["or", ["metadata.a", "EQ", 1], ["metadata.b", "EQ", 2]]],
    ],
  );
});

test("the JSON form reaches into nested metadata and knows any of a scope id", () => {
  assert.deepEqual(shape({ metadata: { address: { city: { icontains: "lis" } } } }), [
    "metadata.address.city",
    "ICONTAINS",
    "lis",
  ]);
  assert.deepEqual(shape({ agent_id: "*" }), ["agent_id", "EXISTS", true]);
  assert.deepEqual(shape({ categories: { ne: "food" } }), ["not", ["categories", "CONTAINS", "food"]]);
});

test("a protobuf filter is taken as it is", () => {
  const value = create(ComparisonSchema, { field: "type", operator: Operator.EXISTS });
  const filter = create(FilterSchema, { kind: { case: "comparison", value } });
  assert.equal(filterFrom(filter), filter);
});

test("what is no filter is refused before a call", () => {
  for (const wrong of [{}, { a: { near: 1 } }, { a: {} }, { AND: [] }, { OR: "x" }, { a: null }, "x", 7]) {
    assert.throws(() => filterFrom(wrong as FilterInput), InvalidArgumentError, JSON.stringify(wrong));
  }
});

test("scope ids in mem0's filter select the scope, what is left is the filter", async () => {
  await using server = await ScriptedServer.start();
  using client = new MnemonClient({ address: server.address });
  await client.search("x", { filters: { user_id: "ana" } });
  await client.search("x", { filters: { AND: [{ user_id: "ana" }, { tier: "gold" }] } });
  await client.search("x", { filters: { OR: [{ user_id: "ana" }, { user_id: "ben" }] }, agentId: "a1" });
  const [first, second, third] = server.calls.map((call) => call.request);
  assert.deepEqual(first?.["scope"], { userId: "ana", agentId: "", appId: "", runId: "" });
  assert.equal("filter" in (first ?? {}), false);
  assert.equal("filter" in (second ?? {}), true);
  assert.deepEqual(third?.["scope"], { userId: "", agentId: "a1", appId: "", runId: "" });
});
