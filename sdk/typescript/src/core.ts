/**
 * What runs anywhere: the client over a transport that the caller brings, errors, filters and types.
 * Imports nothing of Node.
 *
 * @module
 */
export { AdminClient } from "./admin.js";
export type * from "./admin.js";
export type { CallOptions } from "./caller.js";
export { BaseClient, type BaseClientOptions, type PromptContext } from "./client.js";
export * from "./errors.js";
export {
  F,
  Filter,
  FilterField,
  filterFrom,
  type FieldCondition,
  type FilterInput,
  type FilterJson,
  type FilterOperatorName,
  type FilterValue,
} from "./filters.js";
export type { AnyMessage, ChatMessage, ContentPart, MessagesInput } from "./messages.js";
export type * from "./options.js";
export { Pages, type Page } from "./pages.js";
export type * from "./plain/types.js";
export type * from "./plain/values.js";
export { LiveSearch, SearchStream } from "./search-streams.js";
export { ResumableStream, type Piece } from "./resumable-stream.js";
export { Stream } from "./streams.js";
export type { Transport, TransportCall } from "./transport.js";
export { VERSION } from "./version.js";
export type { JsonObject, JsonValue } from "@bufbuild/protobuf";
