import { create, type DescMessage } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError, type Memory } from "../src/index.js";
import { fromPlain } from "../src/plain/from-plain.js";
import { toPlain } from "../src/plain/to-plain.js";
import {
  AddMemoriesRequestSchema,
  AdminService,
  CreateApiKeyRequestSchema,
  GetMemoryRequestSchema,
  MemoryService,
  MemorySchema,
  MemoryState,
  MessageSchema,
  SearchHitSchema,
  SearchRequestSchema,
  SearchService,
  WatchMemoriesRequestSchema,
  UpdateSettingsRequestSchema,
} from "../src/proto.js";

function violation(schema: DescMessage, value: unknown): string {
  try {
    fromPlain(schema, value);
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError);
    assert.equal(error.reason, "INVALID_FIELD");
    return error.message;
  }
  throw new Error("nothing was refused");
}

test("an answer is a frozen plain object: dates, numbers, words, JSON", () => {
  const at = new Date("2026-05-07T10:00:00.123Z");
  const message = create(MemorySchema, {
    id: "m1",
    text: "Ana lives in Lisbon.",
    scope: { userId: "ana" },
    state: MemoryState.SUPERSEDED,
    metadata: { tier: "gold", nested: { list: [1, null, true] } },
    createTime: timestampFromDate(at),
    sequence: 12n,
    entities: [{ name: "Lisbon", type: "PLACE" }],
  });
  const memory = toPlain<Memory>(MemorySchema, message);
  assert.equal(memory.state, "SUPERSEDED");
  assert.equal(memory.type, "UNSPECIFIED");
  assert.equal(memory.sequence, 12);
  assert.deepEqual(memory.createTime, at);
  assert.equal(memory.expireTime, undefined);
  assert.deepEqual(memory.scope, { userId: "ana", agentId: "", appId: "", runId: "" });
  assert.deepEqual(memory.metadata, { tier: "gold", nested: { list: [1, null, true] } });
  assert.ok(
    Object.isFrozen(memory) && Object.isFrozen(memory.entities) && Object.isFrozen(memory.entities[0]),
  );
  assert.ok(Object.isFrozen(memory.metadata?.["nested"]));
});

test("a oneof is the member that is set", () => {
  const hit = create(SearchHitSchema, { result: { case: "memory", value: { id: "m1" } } });
  const plain = toPlain<{ memory?: Memory; message?: unknown }>(SearchHitSchema, hit);
  assert.equal(plain.memory?.id, "m1");
  assert.equal(plain.message, undefined);
});

test("a number that this client does not know as a word reads as UNSPECIFIED", () => {
  const memory = toPlain<Memory>(MemorySchema, create(MemorySchema, { state: 77 as MemoryState }));
  assert.equal(memory.state, "UNSPECIFIED");
});

test("plain values become the contract's message", () => {
  const add = fromPlain(AddMemoriesRequestSchema, {
    scope: { userId: "ana" },
    messages: [{ role: "user", content: "hi", observedTime: "2026-05-07" }],
    type: "EPISODIC",
    ttl: 90.5,
    eventTime: new Date(1000),
    metadata: { since: new Date(0), left: undefined },
  });
  assert.equal(add.messages[0]?.role, 1);
  assert.equal(add.messages[0]?.observedTime?.seconds, 1778112000n);
  assert.deepEqual(add.expiry.case, "ttl");
  assert.equal(add.expiry.case === "ttl" && add.expiry.value.nanos, 500_000_000);
  assert.equal(add.eventTime?.time?.seconds, 1n);
  assert.deepEqual(add.metadata, { since: "1970-01-01T00:00:00.000Z" });
});

test("a moment to read at is a date, a time or a sequence", () => {
  const at = (asOf: unknown) => fromPlain(GetMemoryRequestSchema, { id: "m", asOf }).asOf?.position;
  assert.equal(at(new Date(5000))?.case, "time");
  assert.equal(at("2026-05-07T00:00:00Z")?.case, "time");
  assert.deepEqual(at({ sequence: 7 }), { case: "sequence", value: 7n });
});

test("a protobuf message is taken as it is", () => {
  const message = create(MessageSchema, { content: "hi" });
  assert.equal(fromPlain(AddMemoriesRequestSchema, { messages: [message] }).messages[0], message);
});

test("null means left out", () => {
  assert.equal(fromPlain(SearchRequestSchema, { query: "x", topK: null }).topK, undefined);
});

test("wrong values are refused with the contract's path", () => {
  assert.match(violation(SearchRequestSchema, { top_k: 3 }), /^top_k: is written topK here$/);
  assert.match(violation(SearchRequestSchema, { nothing: 3 }), /^nothing: is no field of SearchRequest$/);
  assert.match(violation(SearchRequestSchema, { topK: "3" }), /^top_k: must be a whole number$/);
  assert.match(violation(SearchRequestSchema, { topK: 2 ** 40 }), /^top_k: must fit into 32 bits$/);
  assert.match(violation(SearchRequestSchema, { query: 3 }), /^query: must be a string$/);
  assert.match(
    violation(SearchRequestSchema, { mode: "FAST" }),
    /^mode: must be one of HYBRID, SEMANTIC, KEYWORD$/,
  );
  assert.match(
    violation(SearchRequestSchema, { referenceTime: "soon" }),
    /^reference_time: must be a valid Date/,
  );
  assert.match(
    violation(CreateApiKeyRequestSchema, { limits: { addsPerDay: 0.5 } }),
    /^limits.adds_per_day: /,
  );
  assert.match(violation(AddMemoriesRequestSchema, { texts: ["a", 2] }), /^texts\[1\]: must be a string$/);
  assert.match(violation(AddMemoriesRequestSchema, { metadata: { a: { b: () => 0 } } }), /^metadata.a.b: /);
  assert.match(
    violation(WatchMemoriesRequestSchema, { resumeToken: "t", afterSequence: 1 }),
    /^after_sequence: cannot be given together with resume_token$/,
  );
});

test("the fields of a mask are named as the contract names them, keys of metadata as the caller does", () => {
  const request = fromPlain(UpdateSettingsRequestSchema, {
    settings: { customInstructions: "x" },
    updateMask: ["customInstructions", "metadata.someKey"],
  });
  assert.deepEqual(request.updateMask?.paths, ["custom_instructions", "metadata.someKey"]);
});

test("every message of the contract converts both ways", () => {
  for (const service of [MemoryService, SearchService, AdminService]) {
    for (const method of service.methods) {
      assert.ok(toPlain(method.output, create(method.output)));
      assert.equal(fromPlain(method.input, {}).$typeName, method.input.typeName);
    }
  }
});
