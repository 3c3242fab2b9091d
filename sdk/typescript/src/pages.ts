/**
 * Lists that the server answers page by page.
 */

/** What every answer of a list call carries. */
export interface Page {
  /** Gets the next page; empty after the last. */
  readonly nextPageToken: string;
}

/**
 * A list that is read page by page as it is iterated: `for await (const memory of client.list(...))`.
 * Nothing is called before the first item is asked for, and nothing after the loop is left. Every
 * loop begins anew.
 */
export class Pages<Item, Response extends Page> implements AsyncIterable<Item> {
  readonly #read: (pageToken: string | undefined) => Promise<Response>;
  readonly #items: (page: Response) => readonly Item[];

  /** Made by the client's methods. */
  constructor(
    read: (pageToken: string | undefined) => Promise<Response>,
    items: (page: Response) => readonly Item[],
  ) {
    this.#read = read;
    this.#items = items;
  }

  /** One page as the server answers it: the first, or the one of the `pageToken` in the call's options. */
  page(): Promise<Response> {
    return this.#read(undefined);
  }

  /** Page after page, as the server answers them. */
  async *pages(): AsyncGenerator<Response, void, undefined> {
    let page = await this.#read(undefined);
    yield page;
    while (page.nextPageToken !== "") {
      page = await this.#read(page.nextPageToken);
      yield page;
    }
  }

  /** Item after item. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* this.#items(page);
  }

  /** All items, or the first `limit` of them, in an array. */
  async toArray(limit = Number.POSITIVE_INFINITY): Promise<Item[]> {
    const items: Item[] = [];
    if (limit <= 0) return items;
    for await (const item of this) {
      items.push(item);
      if (items.length >= limit) break;
    }
    return items;
  }
}
