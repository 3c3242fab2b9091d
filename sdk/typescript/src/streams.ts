/**
 * Streams of answers whose reader may leave at any time.
 */
import { cancelledBy } from "./retries.js";

/**
 * Answers as they come. Leaving a `for await` over it (`break`, `return`, an exception), `cancel()`
 * and `await using` cancel the call on the server. It is read once.
 */
export class Stream<T> implements AsyncIterableIterator<T, undefined, undefined>, AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly #signal: AbortSignal | undefined;
  #source: AsyncIterator<T> | undefined;
  #ended = false;

  /** Made by the client's methods; `open` begins the call and is called when the first answer is asked for. */
  constructor(open: (signal: AbortSignal) => AsyncIterable<T>, signal: AbortSignal | undefined) {
    this.#open = open;
    this.#signal = signal;
  }

  /** The next answer. */
  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#ended) return { done: true, value: undefined };
    try {
      const result = await this.#begin().next();
      if (!this.#ended && result.done !== true) return { done: false, value: this.see(result.value) };
    } catch (error) {
      // Who cancelled the stream himself wants an end, not an error.
      const wanted = this.#ended;
      this.cancel();
      if (this.#signal?.aborted === true) throw cancelledBy(this.#signal);
      if (!wanted) throw error;
    }
    this.cancel();
    return { done: true, value: undefined };
  }

  /** Ends the call. What still waits for an answer sees the end of the stream. */
  cancel(): void {
    this.#ended = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }

  /** Ends the call; called when a loop over the stream is left. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.cancel();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends the call and throws the error. */
  throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    this.cancel();
    // The iterator protocol hands back what it was given, whatever it is.
    return Promise.reject(error as Error);
  }

  /** The stream itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the call. */
  [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    return Promise.resolve();
  }

  /** Looks at an answer before the reader gets it; for streams that keep a state. */
  protected see(value: T): T {
    return value;
  }

  readonly #onAbort = (): void => {
    this.#controller.abort(this.#signal?.reason);
  };

  #begin(): AsyncIterator<T> {
    if (this.#source === undefined) {
      if (this.#signal?.aborted === true) throw cancelledBy(this.#signal);
      this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#source = this.#open(this.#controller.signal)[Symbol.asyncIterator]();
    }
    return this.#source;
  }
}
