/**
 * Which failures a watch or an export survives.
 */
import type { MnemonError } from "./errors.js";

/** A connection that broke, a server that went away, or a reader that was cut for being slow: go on from the last token. */
export function brokenStream(error: MnemonError): boolean {
  return (
    error.code === "UNAVAILABLE" ||
    error.reason === "WATCHER_TOO_SLOW" ||
    (error.code === "RESOURCE_EXHAUSTED" && error.retryAfter !== undefined)
  );
}
