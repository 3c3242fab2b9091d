import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  AbortedError,
  InvalidArgumentError,
  MnemonClient,
  MnemonError,
  NotFoundError,
  ResourceExhaustedError,
  UnavailableError,
} from "../src/index.js";
import { errorFromFailure } from "../src/errors.js";
import { ScriptedError, ScriptedServer } from "./support/server.js";

/** The error of a call that fails as scripted. */
async function errorOf(failure: ScriptedError): Promise<MnemonError> {
  await using server = await ScriptedServer.start({
    GetMemory: () => {
      throw failure;
    },
  });
  using client = new MnemonClient({ address: server.address, maxRetries: 0 });
  try {
    await client.get("x");
  } catch (error) {
    assert.ok(error instanceof MnemonError);
    return error;
  }
  throw new Error("the call did not fail");
}

test("an error has the class of its code, and the server's reason and metadata", async () => {
  const error = await errorOf(new ScriptedError(10, "ETAG_MISMATCH", { metadata: { etag: "e2" } }));
  assert.ok(error instanceof AbortedError);
  assert.equal(error.name, "AbortedError");
  assert.equal(error.code, "ABORTED");
  assert.equal(error.reason, "ETAG_MISMATCH");
  assert.deepEqual(error.metadata, { etag: "e2" });
  assert.equal(error.message, "scripted ETAG_MISMATCH");
});

test("field violations and the time to wait are decoded", async () => {
  const invalid = await errorOf(
    new ScriptedError(3, "INVALID_FIELD", { violations: [{ field: "top_k", description: "at most 200" }] }),
  );
  assert.ok(invalid instanceof InvalidArgumentError);
  assert.deepEqual(invalid.violations, [{ field: "top_k", description: "at most 200" }]);
  const limited = await errorOf(
    new ScriptedError(8, "RATE_LIMITED", { retryAfter: { seconds: 2n, nanos: 500_000_000 } }),
  );
  assert.ok(limited instanceof ResourceExhaustedError);
  assert.equal(limited.retryAfter, 2.5);
});

test("a foreign or missing memory is NotFoundError", async () => {
  assert.ok((await errorOf(new ScriptedError(5, "MEMORY_NOT_FOUND"))) instanceof NotFoundError);
});

test("a server that is not there is UnavailableError without a reason", async () => {
  const server = await ScriptedServer.start();
  server.stop();
  using client = new MnemonClient({ address: server.address, maxRetries: 0 });
  await assert.rejects(client.get("x"), (error) => error instanceof UnavailableError && error.reason === "");
});

test("details that nobody can decode do not hide the error", () => {
  const error = errorFromFailure({ code: 5, message: "gone", details: Uint8Array.of(255, 255) });
  assert.ok(error instanceof NotFoundError);
  assert.equal(error.reason, "");
});

test("each canonical code has a class of its own, an unknown number is UnknownError", () => {
  const names = Array.from({ length: 16 }, (_, index) => errorFromFailure({ code: index + 1, message: "" }));
  assert.equal(new Set(names.map((error) => error.constructor)).size, 16);
  assert.equal(errorFromFailure({ code: 99, message: "" }).name, "UnknownError");
});

test("the stack of an error shows who called, and printing it shows what matters", async () => {
  await using server = await ScriptedServer.start({
    GetMemory: () => {
      throw new ScriptedError(5, "MEMORY_NOT_FOUND");
    },
  });
  using client = new MnemonClient({ address: server.address });
  async function readsOne(): Promise<void> {
    await client.get("x");
  }
  await assert.rejects(readsOne(), (error: Error) => /readsOne/.test(String(error.stack)));
  await assert.rejects(
    readsOne(),
    (error: Error) => /MEMORY_NOT_FOUND/.test(inspect(error)) && inspect(error).length < 2000,
  );
});
