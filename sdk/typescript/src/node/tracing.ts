/**
 * Trace context, if OpenTelemetry is installed beside the client.
 */
import { createRequire } from "node:module";

interface OpenTelemetry {
  readonly context: { active(): unknown };
  readonly propagation: { inject(context: unknown, carrier: Record<string, string>): void };
}

/**
 * A function that writes the active trace context (`traceparent` and what else the application's
 * propagator knows) into a call's metadata; undefined if `@opentelemetry/api` is not installed.
 */
export function traceContextPropagation(): ((headers: Record<string, string>) => void) | undefined {
  let api: OpenTelemetry;
  try {
    // The API keeps its state on `globalThis`, so this copy and the application's are one.
    api = createRequire(import.meta.url)("@opentelemetry/api") as OpenTelemetry;
  } catch {
    return undefined;
  }
  return (headers) => {
    api.propagation.inject(api.context.active(), headers);
  };
}
