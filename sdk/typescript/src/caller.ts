/**
 * Makes calls over a transport: credentials, deadline, retries and trace context.
 */
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { DeadlineExceededError, MnemonError } from "./errors.js";
import { cancelledBy, delayBefore, isRepeatable, isWorthRetrying, pause } from "./retries.js";
import type { Transport, TransportCall } from "./transport.js";

/** What every call takes beside its request. */
export interface CallOptions {
  /**
   * Milliseconds that the call may take, retries included. Unary calls: the client's default (30 seconds)
   * if left out; streams: no deadline.
   */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call when it is aborted; the call then throws `CancelledError`. */
  readonly signal?: AbortSignal | undefined;
  /** Metadata to send with this call. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Tries after the first one; the client's default (3) if left out. */
  readonly maxRetries?: number | undefined;
}

/** What is the same for all calls of a client. */
export interface CallerOptions {
  readonly apiKey: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  /** Writes the current trace context into the metadata of a call. */
  readonly propagate: ((headers: Record<string, string>) => void) | undefined;
}

/** Makes calls; the client's methods are thin wrappers around it. */
export class Caller {
  readonly #transport: Transport;
  readonly #options: CallerOptions;

  constructor(transport: Transport, options: CallerOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  /** Tries after the first one for a call with these options. */
  maxRetries(options: CallOptions): number {
    return options.maxRetries ?? this.#options.maxRetries;
  }

  /** One request, one answer; tried again where that is safe and makes sense. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    const deadline = performance.now() + timeoutMs;
    const { signal } = options;
    const headers = this.#headers(options);
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(signal);
      const left = deadline - performance.now();
      if (left <= 0) throw new DeadlineExceededError("the call's deadline passed before it began");
      try {
        return await this.#transport.unary(method, request, { headers, timeoutMs: left, signal });
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof MnemonError) || attempt > this.maxRetries(options)) throw error;
        if (!isWorthRetrying(error, isRepeatable(method))) throw error;
        const delay = delayBefore(attempt, error);
        if (performance.now() + delay >= deadline) throw error;
        await pause(delay, signal);
      }
    }
  }

  /** One try of a streaming call. `signal` must be aborted when its answers are no longer read. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    requests: AsyncIterable<MessageShape<I>>,
    options: CallOptions,
    signal: AbortSignal,
  ): AsyncIterable<MessageShape<O>> {
    const call: TransportCall = { headers: this.#headers(options), timeoutMs: options.timeoutMs, signal };
    return this.#transport.stream(method, requests, call);
  }

  /** Closes the transport. */
  close(): void {
    this.#transport.close();
  }

  #headers(options: CallOptions): Record<string, string> {
    const headers: Record<string, string> = { ...this.#options.headers, ...options.headers };
    if (this.#options.apiKey !== undefined) headers["authorization"] ??= `Bearer ${this.#options.apiKey}`;
    this.#options.propagate?.(headers);
    return headers;
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelledBy(signal);
}
