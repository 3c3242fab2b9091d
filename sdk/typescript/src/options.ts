/**
 * What the calls of the client take: the contract's requests with the scope's ids beside the other
 * fields, and the options of the call itself.
 */
import type { CallOptions } from "./caller.js";
import type { FilterInput } from "./filters.js";
import type {
  AddMemoriesRequest,
  BatchDeleteMemoriesRequest,
  BuildContextRequest,
  DeleteMemoriesRequest,
  DeleteMemoryRequest,
  ExportMemoriesRequest,
  GetMemoryRequest,
  ImportOptions,
  ListMemoriesRequest,
  MemoryInput,
  Memory,
  RestoreMemoryRequest,
  RevertMemoryRequest,
  ScopeInput,
  SearchHit,
  SearchRequest,
  SearchResponse,
  SubmitFeedbackRequest,
  UpdateMemoryRequest,
  WatchMemoriesRequest,
} from "./plain/types.js";
import type { JsonObject } from "@bufbuild/protobuf";

/** Which memories are meant, in calls on many. */
export interface Selection {
  /** Which of the scope's memories: {@link F}, mem0's JSON, or the contract's message. */
  readonly filters?: FilterInput | undefined;
}

/** How to remember. */
export interface AddOptions extends Omit<AddMemoriesRequest, "scope" | "messages">, ScopeInput, CallOptions {}

/** How to import. `requestId` names the import: give the same one to resume it. */
export interface ImportMemoriesOptions extends Omit<ImportOptions, "scope">, ScopeInput, CallOptions {}

/** What to export. */
export interface ExportOptions
  extends Omit<ExportMemoriesRequest, "scope" | "filter">, ScopeInput, Selection, CallOptions {}

/** How to read a memory. */
export interface GetOptions extends Omit<GetMemoryRequest, "id">, CallOptions {}

/** Which memories to list. */
export interface ListOptions
  extends Omit<ListMemoriesRequest, "scope" | "filter">, ScopeInput, Selection, CallOptions {}

/** New values of a memory. What is left out stays as it is; null, or an empty list, clears a field. */
export type MemoryChanges = {
  readonly [
    Field in
      "text" | "metadata" | "categories" | "type" | "attributedTo" | "eventTime" | "expireTime" | "entities"
  ]?: MemoryInput[Field] | null;
} & {
  /** Sets these keys of the metadata and leaves the others; a key with null is removed. */
  readonly mergeMetadata?: JsonObject | undefined;
  /** If given, must be the memory's current one; else the call throws `AbortedError`. */
  readonly etag?: string | undefined;
  /** Why, for the history; at most 1,024 bytes. */
  readonly reason?: string | undefined;
};

/** How to change a memory. */
export interface UpdateOptions extends Pick<UpdateMemoryRequest, "requestId">, CallOptions {}

/** How to delete a memory. */
export interface DeleteOptions extends Omit<DeleteMemoryRequest, "id">, CallOptions {}

/** How to delete memories by their ids. */
export interface DeleteManyOptions extends Omit<BatchDeleteMemoriesRequest, "ids">, CallOptions {}

/** Which memories to delete. */
export interface DeleteAllOptions
  extends Omit<DeleteMemoriesRequest, "scope" | "filter">, ScopeInput, Selection, CallOptions {}

/** How to bring a memory back. */
export interface RestoreOptions extends Omit<RestoreMemoryRequest, "id">, CallOptions {}

/** How to set a memory back. */
export interface RevertOptions extends Omit<RevertMemoryRequest, "id" | "version">, CallOptions {}

/** What to follow, and from where. */
export interface WatchOptions
  extends Omit<WatchMemoriesRequest, "scope" | "filter">, ScopeInput, Selection, CallOptions {
  /** False: throw when the connection breaks, instead of going on where it stopped. */
  readonly resume?: boolean | undefined;
}

/** Why a memory was good or bad. */
export interface FeedbackOptions extends Omit<SubmitFeedbackRequest, "memoryId" | "rating">, CallOptions {}

/** How to search. */
export interface SearchOptions
  extends Omit<SearchRequest, "query" | "scope" | "filter">, ScopeInput, Selection, CallOptions {}

/** How to search, with the hits as a stream. */
export interface SearchStreamOptions extends SearchOptions {
  /** Hits a page: 1 to 50, 10 if left out. */
  readonly pageSize?: number | undefined;
}

/** How to search, and how to pack what was found. */
export interface BuildContextOptions extends SearchOptions, Omit<BuildContextRequest, "search"> {}

/** A hit of a search for memories only. */
export type MemoryHit = SearchHit & { readonly memory: Memory };

/** The answer of a search for memories only: every hit has its memory. */
export interface MemorySearchResponse extends Omit<SearchResponse, "hits"> {
  /** Best first. */
  readonly hits: readonly MemoryHit[];
}
