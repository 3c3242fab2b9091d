/**
 * Searches whose hits come as a stream, and keep their order up to date.
 */
import { MnemonError, invalidField } from "./errors.js";
import type {
  Notice,
  LiveSearchResponse,
  SearchHit,
  SearchSummary,
  StreamSearchResponse,
} from "./plain/types.js";
import { Queue } from "./queue.js";
import { rearrange } from "./ranking.js";
import { Stream } from "./streams.js";

/**
 * Pieces of a search as they come: pages of hits, a reranker's revision, and a summary last. `hits`
 * holds the order of all that came so far.
 */
export class SearchStream extends Stream<StreamSearchResponse> {
  #hits: readonly SearchHit[] = [];
  #summary: SearchSummary | undefined;

  /** The hits so far in their order, revisions applied. */
  get hits(): readonly SearchHit[] {
    return this.#hits;
  }

  /** How the search went; undefined until the stream has ended. */
  get summary(): SearchSummary | undefined {
    return this.#summary;
  }

  /** Reads the stream to its end and gives the final order. */
  async all(): Promise<readonly SearchHit[]> {
    for (;;) {
      if ((await this.next()).done === true) return this.#hits;
    }
  }

  protected override see(piece: StreamSearchResponse): StreamSearchResponse {
    if (piece.page !== undefined) this.#hits = Object.freeze([...this.#hits, ...piece.page.hits]);
    if (piece.revision !== undefined) this.#hits = rearrange(this.#hits, { moves: piece.revision.moves });
    this.#summary = piece.summary ?? this.#summary;
    return piece;
  }
}

/** What a speaker has said so far. */
export interface Said {
  readonly text: string;
  readonly final: boolean;
}

/**
 * A search that follows a conversation: `send` what was said so far, iterate over what changed among
 * the hits. `hits` holds their current order. Leaving the loop, `cancel()` or `end()` ends it.
 */
export class LiveSearch extends Stream<LiveSearchResponse> {
  readonly #said: Queue<Said>;
  #hits: readonly SearchHit[] = [];
  #notices: readonly Notice[] = [];

  /** Made by `client.liveSearch`. */
  constructor(
    open: (said: AsyncIterable<Said>, signal: AbortSignal) => AsyncIterable<LiveSearchResponse>,
    signal: AbortSignal | undefined,
  ) {
    const said = new Queue<Said>();
    super((inner) => open(said, inner), signal);
    this.#said = said;
  }

  /** The hits for what was said last, in their order. */
  get hits(): readonly SearchHit[] {
    return this.#hits;
  }

  /** What to know about the last answer. */
  get notices(): readonly Notice[] {
    return this.#notices;
  }

  /**
   * Says the whole text so far, not only what is new. A text that was not sent yet when the next one
   * comes is skipped. With `final`, the server answers at once.
   */
  send(text: string, { final = false }: { readonly final?: boolean } = {}): void {
    if (typeof text !== "string") throw invalidField("utterance.text", "must be a string");
    this.#said.replace({ text, final }, (last) => !last.final);
  }

  /** Says that nothing more will be said: the stream ends after the last answer. */
  end(): void {
    this.#said.close();
  }

  /**
   * Sends a final text and gives the hits for it. For turn-by-turn use, instead of iterating.
   *
   * @throws MnemonError if the stream ends before the answer.
   */
  async ask(text: string): Promise<readonly SearchHit[]> {
    this.send(text, { final: true });
    for (;;) {
      const result = await this.next();
      if (result.done === true) throw new MnemonError("CANCELLED", "the live search ended before its answer");
      if (result.value.final && result.value.text === text) return this.#hits;
    }
  }

  override cancel(): void {
    super.cancel();
    this.#said.close();
  }

  protected override see(answer: LiveSearchResponse): LiveSearchResponse {
    this.#hits = rearrange(this.#hits, {
      removed: answer.removedMemoryIds,
      moves: answer.moved,
      added: answer.added,
    });
    this.#notices = answer.notices;
    return answer;
  }
}
