/**
 * The client: remembering and finding, over any transport. `index.ts` gives it the transport for Node.
 */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { AdminClient } from "./admin.js";
import { Caller, type CallOptions } from "./caller.js";
import { FailedPreconditionError } from "./errors.js";
import {
  ImportMemoriesRequestSchema,
  ImportRowSchema,
  MemoryService,
  type ImportMemoriesRequest,
} from "./gen/mnemon/v1/memory_service_pb.js";
import { LiveSearchRequestSchema, SearchService } from "./gen/mnemon/v1/search_service_pb.js";
import type {
  AddOptions,
  BuildContextOptions,
  DeleteAllOptions,
  DeleteManyOptions,
  DeleteOptions,
  ExportOptions,
  FeedbackOptions,
  GetOptions,
  ImportMemoriesOptions,
  ListOptions,
  MemoryChanges,
  MemorySearchResponse,
  RestoreOptions,
  RevertOptions,
  SearchOptions,
  SearchStreamOptions,
  UpdateOptions,
  WatchOptions,
} from "./options.js";
import { messagesOf, type MessagesInput } from "./messages.js";
import type { Pages } from "./pages.js";
import { fromPlain } from "./plain/from-plain.js";
import { toPlain } from "./plain/to-plain.js";
import type {
  AddMemoriesResponse,
  BatchDeleteMemoriesResponse,
  BatchGetMemoriesResponse,
  BatchUpdateMemoriesResponse,
  BuildContextResponse,
  DeleteMemoriesResponse,
  DeleteMemoryResponse,
  EnqueueMemoriesResponse,
  EntitySummary,
  ExportMemoriesResponse,
  FeedbackRating,
  GetMemoryResponse,
  ImportMemoriesResponse,
  ImportRow,
  ListMemoriesResponse,
  ListVersionsRequest,
  ListVersionsResponse,
  LiveSearchResponse,
  Memory,
  MessageInput,
  Operation,
  RestoreMemoryResponse,
  RevertMemoryResponse,
  SearchResponse,
  StreamSearchResponse,
  SubmitFeedbackResponse,
  UpdateMemoryResponse,
  Version,
  WatchMemoriesResponse,
} from "./plain/types.js";
import type { EnumInput } from "./plain/values.js";
import {
  invoke,
  paged,
  present,
  request,
  scopedFields,
  streamed,
  updateFields,
  withoutCallOptions,
} from "./request.js";
import { ResumableStream } from "./resumable-stream.js";
import { DEFAULT_MAX_RETRIES, brokenStream } from "./retries.js";
import { LiveSearch, SearchStream, type Said } from "./search-streams.js";
import type { Transport } from "./transport.js";

/** Milliseconds that a unary call may take unless the caller says otherwise. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** Rows and bytes that one message of an import holds at most: well below the server's message limit. */
const IMPORT_ROWS = 500;
const IMPORT_BYTES = 1 << 20;

/** How a client over a given transport behaves. */
export interface BaseClientOptions {
  /** The API key, `mn_…`; none if left out. */
  readonly apiKey?: string | undefined;
  /** Milliseconds that a unary call may take, retries included; 30,000 if left out. */
  readonly timeoutMs?: number | undefined;
  /** Tries after the first one, where a repetition is safe and makes sense; 3 if left out. */
  readonly maxRetries?: number | undefined;
  /** Metadata to send with every call. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Writes the current trace context into a call's metadata. */
  readonly propagate?: ((headers: Record<string, string>) => void) | undefined;
}

/** Prompt text made of memories, and the same as a message. */
export interface PromptContext extends BuildContextResponse {
  /**
   * The text as a system message that is marked as recalled, so that adding the conversation later
   * does not remember it again.
   */
  readonly message: MessageInput;
}

/** Remembers and finds. One client serves a whole process; it is safe to use it from many places at once. */
export class BaseClient implements Disposable {
  /** Running projects and the server. */
  readonly admin: AdminClient;
  readonly #caller: Caller;

  /** A client over a transport. */
  constructor(transport: Transport, options: BaseClientOptions = {}) {
    this.#caller = new Caller(transport, {
      apiKey: options.apiKey,
      headers: options.headers ?? {},
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
      propagate: options.propagate,
    });
    this.admin = new AdminClient(this.#caller);
  }

  /** Closes the connections. Calls under way are cancelled. */
  close(): void {
    this.#caller.close();
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.close();
  }

  // Remembering

  /**
   * Extracts facts from messages, reconciles them with what is known, and stores them. With
   * `infer: false` each text is stored as it is. On an error nothing was stored.
   */
  async add(messages: MessagesInput, options: AddOptions): Promise<AddMemoriesResponse> {
    const fields = { ...scopedFields(options), messages: messagesOf(messages) };
    return invoke(this.#caller, MemoryService.method.addMemories, fields, options);
  }

  /** The same in the background: answers at once with an operation (`client.admin.operations`). */
  async enqueue(messages: MessagesInput, options: AddOptions): Promise<Operation> {
    const { requestId = crypto.randomUUID(), ...fields } = scopedFields(options);
    const add = { ...fields, requestId, messages: messagesOf(messages) };
    const method = MemoryService.method.enqueueMemories;
    const answer = await invoke<EnqueueMemoriesResponse>(this.#caller, method, { add }, options);
    return present(answer.operation, "operation");
  }

  /**
   * Stores memories as they are, in bulk. Rows are committed as they come; a refused row is reported
   * and does not stop the others. After a break, give the same rows and the same `requestId`: what is
   * stored already is skipped. There is no deadline unless `timeoutMs` is given.
   */
  async importMemories(
    rows: Iterable<ImportRow> | AsyncIterable<ImportRow>,
    options: ImportMemoriesOptions = {},
  ): Promise<ImportMemoriesResponse> {
    const { requestId = crypto.randomUUID(), ...fields } = scopedFields(options);
    const method = MemoryService.method.importMemories;
    const controller = new AbortController();
    const abort = (): void => {
      controller.abort(options.signal?.reason);
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    if (options.signal?.aborted === true) abort();
    try {
      const pieces = importPieces({ ...fields, requestId }, rows);
      for await (const answer of this.#caller.stream(method, pieces, options, controller.signal)) {
        return toPlain<ImportMemoriesResponse>(method.output, answer);
      }
      return present<ImportMemoriesResponse>(undefined, "result");
    } finally {
      options.signal?.removeEventListener("abort", abort);
      controller.abort();
    }
  }

  /**
   * Every memory that a scope and filter select, as of one place in the log (`sequence`). A broken
   * connection is taken up where it stopped. With `includeVersions`, read `pieces()`.
   */
  exportMemories(options: ExportOptions): ResumableStream<Memory, ExportMemoriesResponse> {
    const fields = scopedFields(options);
    const method = MemoryService.method.exportMemories;
    return new ResumableStream({
      open: (token, signal) =>
        streamed<ExportMemoriesResponse>(
          this.#caller,
          method,
          token === undefined ? fields : { ...fields, resumeToken: token },
          options,
          signal,
        ),
      items: (piece) => piece.memories,
      goesOn: (error) => error !== undefined && brokenStream(error),
      maxRetries: this.#caller.maxRetries(options),
      signal: options.signal,
    });
  }

  // Reading

  /** Reads one memory. Throws `NotFoundError`, also for one of another project or scope. */
  async get(id: string, options: GetOptions = {}): Promise<Memory> {
    const fields = { ...withoutCallOptions(options), id };
    const answer = await invoke<GetMemoryResponse>(
      this.#caller,
      MemoryService.method.getMemory,
      fields,
      options,
    );
    return present(answer.memory, "memory");
  }

  /** Reads up to 1,000 memories in one go; `missingIds` lists those not found. */
  async getMany(ids: readonly string[], options: GetOptions = {}): Promise<BatchGetMemoriesResponse> {
    const fields = { ...withoutCallOptions(options), ids };
    return invoke(this.#caller, MemoryService.method.batchGetMemories, fields, options);
  }

  /** The memories that a scope and filter select, newest first unless `order` says otherwise. */
  list(options: ListOptions): Pages<Memory, ListMemoriesResponse> {
    const method = MemoryService.method.listMemories;
    return paged(this.#caller, method, scopedFields(options), options, (page) => page.memories);
  }

  /** All memories that a scope and filter select, in an array. Prefer `list` where there may be many. */
  async getAll(options: ListOptions): Promise<Memory[]> {
    return this.list(options).toArray();
  }

  /** The versions of one memory, oldest first. */
  listVersions(
    memoryId: string,
    options: Omit<ListVersionsRequest, "memoryId"> & CallOptions = {},
  ): Pages<Version, ListVersionsResponse> {
    const fields = { ...withoutCallOptions(options), memoryId };
    return paged(this.#caller, MemoryService.method.listVersions, fields, options, (page) => page.versions);
  }

  /** The whole history of one memory, oldest version first, in an array. */
  async history(memoryId: string, options: CallOptions = {}): Promise<Version[]> {
    return this.listVersions(memoryId, options).toArray();
  }

  /** Users, agents, apps and runs with memories, in an array. See `admin.entities.list` for pages and kinds. */
  async users(options: CallOptions = {}): Promise<EntitySummary[]> {
    return this.admin.entities.list(options).toArray();
  }

  // Changing

  /** Changes the fields that are given, or the text if it is a string. */
  async update(id: string, changes: string | MemoryChanges, options: UpdateOptions = {}): Promise<Memory> {
    const values = typeof changes === "string" ? { text: changes } : changes;
    const fields = { ...withoutCallOptions(options), ...updateFields(id, values) };
    const method = MemoryService.method.updateMemory;
    const answer = await invoke<UpdateMemoryResponse>(this.#caller, method, fields, options);
    return present(answer.memory, "memory");
  }

  /** Up to 1,000 updates of different memories, all or none. */
  async updateMany(
    updates: readonly ({ readonly id: string } & MemoryChanges)[],
    options: UpdateOptions = {},
  ): Promise<readonly Memory[]> {
    const requests = updates.map(({ id, ...changes }) => updateFields(id, changes));
    const fields = { ...withoutCallOptions(options), requests };
    const method = MemoryService.method.batchUpdateMemories;
    const answer = await invoke<BatchUpdateMemoriesResponse>(this.#caller, method, fields, options);
    return answer.memories;
  }

  /** Deletes one memory; `restore` undoes it within the retention time. */
  async delete(id: string, options: DeleteOptions = {}): Promise<Memory> {
    const fields = { ...withoutCallOptions(options), id };
    const method = MemoryService.method.deleteMemory;
    const answer = await invoke<DeleteMemoryResponse>(this.#caller, method, fields, options);
    return present(answer.memory, "memory");
  }

  /** Up to 1,000 deletions, all or none. Gives how many. */
  async deleteMany(ids: readonly string[], options: DeleteManyOptions = {}): Promise<number> {
    const fields = { ...withoutCallOptions(options), ids };
    const method = MemoryService.method.batchDeleteMemories;
    const answer = await invoke<BatchDeleteMemoriesResponse>(this.#caller, method, fields, options);
    return answer.deletedCount;
  }

  /**
   * Deletes all memories that a scope and filter select. Past 10,000 the answer holds an `operation`
   * that goes on in the background. With `dryRun` it only counts.
   */
  async deleteAll(options: DeleteAllOptions): Promise<DeleteMemoriesResponse> {
    return invoke(this.#caller, MemoryService.method.deleteMemories, scopedFields(options), options);
  }

  /**
   * Deletes every memory of the project (role admin), and waits until that is done. Each can be
   * restored within the retention time. Gives how many.
   */
  async reset(options: CallOptions = {}): Promise<number> {
    const answer = await this.deleteAll({ ...options, projectWide: true });
    if (answer.operation !== undefined) {
      const { state, error } = await this.admin.operations.waitUntilDone(answer.operation.id, options);
      if (state !== "SUCCEEDED")
        throw new FailedPreconditionError(error?.message ?? `the reset was ${state}`);
    }
    return answer.matchedCount;
  }

  /** Brings a deleted or expired memory back. */
  async restore(id: string, options: RestoreOptions = {}): Promise<Memory> {
    const fields = { ...withoutCallOptions(options), id };
    const method = MemoryService.method.restoreMemory;
    const answer = await invoke<RestoreMemoryResponse>(this.#caller, method, fields, options);
    return present(answer.memory, "memory");
  }

  /** Sets a memory back to what an earlier version said, as a new version. */
  async revert(id: string, version: number, options: RevertOptions = {}): Promise<Memory> {
    const fields = { ...withoutCallOptions(options), id, version };
    const method = MemoryService.method.revertMemory;
    const answer = await invoke<RevertMemoryResponse>(this.#caller, method, fields, options);
    return present(answer.memory, "memory");
  }

  /** Says how good a memory was for its purpose. Gives the feedback's id. */
  async feedback(
    memoryId: string,
    rating: EnumInput<FeedbackRating>,
    options: FeedbackOptions = {},
  ): Promise<string> {
    const fields = { ...withoutCallOptions(options), memoryId, rating };
    const method = MemoryService.method.submitFeedback;
    const answer = await invoke<SubmitFeedbackResponse>(this.#caller, method, fields, options);
    return answer.feedbackId;
  }

  // Following

  /**
   * Follows the project's log: each change once, in order, from `resumeToken`, from `afterSequence`,
   * or from now. A broken connection is taken up where it stopped, without an end; `signal`, `cancel()`
   * and leaving the loop stop it. "Now" is when the server gets the call, which the loop makes: to have
   * it stand before something else happens, `await watch.opened()`, or begin at a known sequence.
   */
  watch(options: WatchOptions): ResumableStream<Version, WatchMemoriesResponse> {
    const { resume = true, ...fields } = scopedFields(options);
    const { afterSequence: _, ...resumed } = fields;
    const method = MemoryService.method.watchMemories;
    return new ResumableStream({
      open: (token, signal) =>
        streamed<WatchMemoriesResponse>(
          this.#caller,
          method,
          token === undefined ? fields : { ...resumed, resumeToken: token },
          options,
          signal,
        ),
      items: (piece) => piece.versions,
      goesOn: (error) => resume === true && (error === undefined || brokenStream(error)),
      maxRetries: this.#caller.maxRetries(options),
      signal: options.signal,
    });
  }

  // Finding

  /** The best memories for a query. With `includeMessages`, a hit has a `message` instead of a `memory`. */
  search(query: string, options: SearchOptions & { readonly includeMessages: true }): Promise<SearchResponse>;
  search(query: string, options: SearchOptions): Promise<MemorySearchResponse>;
  async search(query: string, options: SearchOptions): Promise<SearchResponse> {
    const fields = { ...scopedFields(options), query };
    return invoke(this.#caller, SearchService.method.search, fields, options);
  }

  /** The same as a stream: pages of hits as soon as they are final, a reranker's moves, a summary last. */
  searchStream(query: string, options: SearchStreamOptions): SearchStream {
    const { pageSize, ...search } = scopedFields(options);
    const fields = { search: { ...search, query }, pageSize };
    const method = SearchService.method.streamSearch;
    return new SearchStream(
      (signal) => streamed<StreamSearchResponse>(this.#caller, method, fields, options, signal),
      options.signal,
    );
  }

  /** A search that follows a conversation: say what was said so far, read what changed among the hits. */
  liveSearch(options: SearchOptions): LiveSearch {
    const method = SearchService.method.liveSearch;
    const caller = this.#caller;
    async function* open(
      said: AsyncIterable<Said>,
      signal: AbortSignal,
    ): AsyncGenerator<LiveSearchResponse, void, undefined> {
      // The query of the first message is not searched, but may not be empty.
      const search = { ...scopedFields(options), query: "…" };
      for await (const answer of caller.stream(method, livePieces(search, said), options, signal)) {
        yield toPlain<LiveSearchResponse>(method.output, answer);
      }
    }
    return new LiveSearch(open, options.signal);
  }

  /** Searches, then packs the best memories into a token budget as ready prompt text with citations. */
  async buildContext(query: string, options: BuildContextOptions): Promise<PromptContext> {
    const { tokenBudget, format, ...search } = scopedFields(options);
    const fields = { search: { ...search, query }, tokenBudget, format };
    const method: DescMethodUnary = SearchService.method.buildContext;
    const context = await invoke<BuildContextResponse>(this.#caller, method, fields, options);
    const message = Object.freeze({ role: "SYSTEM", content: context.text, recalled: true } as const);
    return Object.freeze({ ...context, message });
  }
}

async function* importPieces(
  options: Record<string, unknown>,
  rows: Iterable<ImportRow> | AsyncIterable<ImportRow>,
): AsyncGenerator<ImportMemoriesRequest, void, undefined> {
  yield fromPlain(ImportMemoriesRequestSchema, { options });
  let batch: unknown[] = [];
  let bytes = 0;
  for await (const row of rows) {
    const message = fromPlain(ImportRowSchema, row);
    const size = toBinary(ImportRowSchema, message).byteLength;
    if (batch.length === IMPORT_ROWS || (batch.length > 0 && bytes + size > IMPORT_BYTES)) {
      yield fromPlain(ImportMemoriesRequestSchema, { rows: { rows: batch } });
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield fromPlain(ImportMemoriesRequestSchema, { rows: { rows: batch } });
}

async function* livePieces(search: Record<string, unknown>, said: AsyncIterable<Said>) {
  yield request(LiveSearchRequestSchema, { search });
  for await (const utterance of said) yield request(LiveSearchRequestSchema, { utterance });
}
