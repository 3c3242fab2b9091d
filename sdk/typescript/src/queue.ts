/**
 * Between who says something and the call that sends it.
 */

/** Values put in by one side and read as a stream by the other. */
export class Queue<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  /** Adds a value; ignored after `close()`. */
  push(value: T): void {
    if (this.#closed) return;
    this.#values.push(value);
    this.#wake?.();
  }

  /** Puts a value in the place of the last one that was not read yet and that `stale` accepts. */
  replace(value: T, stale: (last: T) => boolean): void {
    const last = this.#values.at(-1);
    if (last !== undefined && stale(last)) this.#values.pop();
    this.push(value);
  }

  /** Ends the stream after the values that are in it. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** The values in their order, as they come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined) {
        yield value;
      } else if (this.#closed) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}
