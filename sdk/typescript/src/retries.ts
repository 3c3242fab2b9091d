/**
 * When a failed call is tried again, and after how long.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { CancelledError, type MnemonError } from "./errors.js";

/** Tries after the first one, unless the caller says otherwise. */
export const DEFAULT_MAX_RETRIES = 3;

/** Wait before the second try; it doubles from try to try. */
const FIRST_DELAY_MS = 100;

/** No wait that the client chooses itself is longer. */
const LONGEST_DELAY_MS = 5_000;

/** Refused before any work was done, so that every call may be repeated. */
const REFUSED: ReadonlySet<string> = new Set(["RATE_LIMITED", "TOO_MANY_CONCURRENT_CALLS", "QUEUE_FULL"]);

/** Unavailable, and still so after a wait of a few seconds. */
const LASTING: ReadonlySet<string> = new Set(["EMBEDDER_UNAVAILABLE", "PROVIDER_ANSWER_UNUSABLE"]);

/** Calls without a `request_id` that have no second effect, beside those that only read. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "BuildContext",
  "RevokeApiKey",
  "VerifyAudit",
  "VerifyIndex",
]);

/** True if a second try of the call has no second effect: it reads, or its `request_id` makes it so. */
export function isRepeatable(method: DescMethod): boolean {
  if (/^(Get|BatchGet|List|Search|StreamSearch|Export|Watch|Wait)/.test(method.name)) return true;
  if (IDEMPOTENT.has(method.name)) return true;
  // EnqueueMemories carries it in the add that it holds.
  return method.input.fields.some((field) => field.name === "request_id" || field.name === "add");
}

/**
 * True if another try makes sense: the server is away for a moment, two writes met, or a limit tells
 * when it ends. AIP-194 names UNAVAILABLE only; the others come with the reason to repeat.
 */
export function isWorthRetrying(error: MnemonError, repeatable: boolean): boolean {
  switch (error.code) {
    case "UNAVAILABLE":
      return repeatable && !LASTING.has(error.reason);
    case "ABORTED":
      return repeatable && error.reason === "CONCURRENT_CHANGE";
    case "RESOURCE_EXHAUSTED":
      if (error.retryAfter === undefined) return false;
      return REFUSED.has(error.reason) || (repeatable && error.reason === "PROVIDER_RATE_LIMITED");
    default:
      return false;
  }
}

/** A connection that broke, a server that went away, or a reader that was cut for being slow: go on from the last token. */
export function brokenStream(error: MnemonError): boolean {
  return (
    error.code === "UNAVAILABLE" ||
    error.reason === "WATCHER_TOO_SLOW" ||
    (error.code === "RESOURCE_EXHAUSTED" && error.retryAfter !== undefined)
  );
}

/**
 * Milliseconds to wait before try `attempt + 1` (the first try is 1): a random share of a span that
 * doubles, so that clients do not come back in step; never less than the server asks for.
 */
export function delayBefore(attempt: number, error: MnemonError): number {
  const span = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  const share = span / 2 + (Math.random() * span) / 2;
  return share + (error.retryAfter ?? 0) * 1000;
}

/** Waits, or throws CancelledError as soon as the signal is aborted. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(cancelledBy(signal));
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The error of a call that the caller's signal ended. */
export function cancelledBy(signal: AbortSignal | undefined): CancelledError {
  const cause: unknown = signal?.reason;
  return new CancelledError("the call was cancelled by its caller", { cause, reason: "CANCELLED" });
}
