/**
 * Streams that go on after a broken connection.
 */
import { MnemonError } from "./errors.js";
import { delayBefore, pause } from "./retries.js";
import { Stream } from "./streams.js";

/** What every piece of a resumable stream carries. */
export interface Piece {
  /** Resumes after this piece. */
  readonly resumeToken: string;
  /** The place in the project's log that the piece has reached. */
  readonly sequence: number;
}

/** How a {@link ResumableStream} is made. */
export interface ResumableOptions<P, Item> {
  /** Begins a call; with a token, after the piece that carried it. */
  readonly open: (resumeToken: string | undefined, signal: AbortSignal) => AsyncIterable<P>;
  /** The items of a piece. */
  readonly items: (piece: P) => readonly Item[];
  /** True if a stream that broke with this error, or ended (undefined), is to go on. */
  readonly goesOn: (error: MnemonError | undefined) => boolean;
  /** Tries that may fail one after the other before the first piece; after it, there is no bound. */
  readonly maxRetries: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * A stream of items that goes on after a broken connection where it stopped, so that the reader
 * misses nothing and sees nothing twice. It is read once, either item by item or by `pieces()`.
 */
export class ResumableStream<Item, P extends Piece> implements AsyncIterable<Item>, AsyncDisposable {
  readonly #stream: Stream<P>;
  readonly #options: ResumableOptions<P, Item>;
  #first: Promise<IteratorResult<P, undefined>> | undefined;
  #resumeToken: string | undefined;
  #sequence: number | undefined;

  /** Made by the client's methods. */
  constructor(options: ResumableOptions<P, Item>) {
    this.#options = options;
    this.#stream = new Stream((signal) => this.#pieces(signal), options.signal);
  }

  /**
   * Resumes after everything that was handed out; within a piece of several items, before that piece.
   * Keep it to go on in another process. Undefined before the first piece.
   */
  get resumeToken(): string | undefined {
    return this.#resumeToken;
  }

  /** The place in the project's log that {@link resumeToken} stands for. */
  get sequence(): number | undefined {
    return this.#sequence;
  }

  /**
   * Begins the call and waits for its first piece, which a watch sends at once: from then on no change
   * is missed. Nothing is lost to the loop that follows. Without it, the call begins with the loop.
   */
  async opened(): Promise<this> {
    this.#first ??= this.#stream.next();
    await this.#first;
    return this;
  }

  /** The pieces as the server sends them, heartbeats included. */
  async *pieces(): AsyncGenerator<P, void, undefined> {
    for await (const piece of this.#all()) {
      this.#advance(piece);
      yield piece;
    }
  }

  /** Item after item. Leaving the loop cancels the call. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const piece of this.#all()) {
      const items = this.#options.items(piece);
      const last = items.at(-1);
      yield* items.slice(0, -1);
      this.#advance(piece);
      if (last !== undefined) yield last;
    }
  }

  /** Ends the call; a loop that waits for the next item ends. */
  cancel(): void {
    this.#stream.cancel();
  }

  /** Ends the call. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stream[Symbol.asyncDispose]();
  }

  /** The piece that `opened` has taken, then the others. */
  async *#all(): AsyncGenerator<P, void, undefined> {
    try {
      const first = await this.#first;
      this.#first = undefined;
      if (first?.done === false) yield first.value;
      yield* this.#stream;
    } finally {
      this.#stream.cancel();
    }
  }

  #advance(piece: P): void {
    this.#resumeToken = piece.resumeToken;
    this.#sequence = piece.sequence;
  }

  async *#pieces(signal: AbortSignal): AsyncGenerator<P, void, undefined> {
    let token: string | undefined;
    let failures = 0;
    for (;;) {
      let error: MnemonError | undefined;
      try {
        for await (const piece of this.#options.open(token, signal)) {
          failures = 0;
          token = piece.resumeToken;
          yield piece;
        }
      } catch (thrown) {
        if (!(thrown instanceof MnemonError)) throw thrown;
        error = thrown;
      }
      failures += 1;
      if (signal.aborted || !this.#options.goesOn(error)) {
        if (error !== undefined) throw error;
        return;
      }
      if (error !== undefined && token === undefined && failures > this.#options.maxRetries) throw error;
      await pause(delayBefore(failures, error ?? NO_ERROR), signal);
    }
  }
}

/** A stream that simply ended asks for no wait of its own. */
const NO_ERROR = new MnemonError("UNAVAILABLE", "the stream ended");
