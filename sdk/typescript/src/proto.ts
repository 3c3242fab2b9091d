/**
 * The contract as protobuf-es messages and descriptors, for callers who speak it themselves. The client
 * takes its messages wherever it takes their plain form.
 *
 * @module
 */
export * from "./gen/mnemon/v1/accounting_pb.js";
export * from "./gen/mnemon/v1/admin_service_pb.js";
export * from "./gen/mnemon/v1/change_pb.js";
export * from "./gen/mnemon/v1/entity_pb.js";
export * from "./gen/mnemon/v1/error_reason_pb.js";
export * from "./gen/mnemon/v1/filter_pb.js";
export * from "./gen/mnemon/v1/memory_pb.js";
export * from "./gen/mnemon/v1/memory_service_pb.js";
export * from "./gen/mnemon/v1/message_pb.js";
export * from "./gen/mnemon/v1/operation_pb.js";
export * from "./gen/mnemon/v1/project_pb.js";
export * from "./gen/mnemon/v1/scope_pb.js";
export * from "./gen/mnemon/v1/search_service_pb.js";
export * from "./gen/mnemon/v1/usage_pb.js";
export * from "./gen/mnemon/v1/webhook_pb.js";
