/**
 * What a failed call throws: one class per canonical code, so that a caller can catch the kind of
 * failure and read the stable reason, the wrong fields and the time to wait from it.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./google/rpc/error_details_pb.js";
import { StatusSchema } from "./google/rpc/status_pb.js";
import type { ErrorReason } from "./plain/types.js";

/** The canonical codes by number, as gRPC sends them. */
const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** A canonical code by name, as `"NOT_FOUND"`. */
export type Code = Exclude<(typeof CODES)[number], "OK">;

/** One field of a request that breaks its rule. */
export interface FieldViolation {
  /** Path of the field as the contract writes it: `"texts[0]"`, `"top_k"`. */
  readonly field: string;
  /** What would be right. */
  readonly description: string;
}

/** What an error is made of; every part may be left out. */
export interface ErrorParts {
  /** The stable reason; empty if the server sent none. */
  readonly reason?: string | undefined;
  /** Wrong fields. */
  readonly violations?: readonly FieldViolation[] | undefined;
  /** Seconds to wait before another try helps. */
  readonly retryAfter?: number | undefined;
  /** What the reason says more: `etag`, `limit`, `provider`, `required_role`, `request_id` … */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The error below. */
  readonly cause?: unknown;
}

/** A call that failed. The base of every error that the client throws. */
export class MnemonError extends Error {
  /** The canonical code. */
  readonly code: Code;
  /** The stable reason to switch on; empty if the failure did not come from Mnemon (a broken connection). */
  readonly reason: ErrorReason | "";
  /** The fields that break a rule, for `INVALID_ARGUMENT`. */
  readonly violations: readonly FieldViolation[];
  /** Seconds after which another try may succeed; undefined if waiting does not help. */
  readonly retryAfter: number | undefined;
  /** What the reason says more: `etag`, `limit`, `provider`, `required_role`, `request_id` … */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: Code, message: string, parts: ErrorParts = {}) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = new.target.name;
    this.code = code;
    this.reason = (parts.reason ?? "") as ErrorReason | "";
    this.violations = Object.freeze([...(parts.violations ?? [])]);
    this.retryAfter = parts.retryAfter;
    this.metadata = Object.freeze({ ...parts.metadata });
  }
}

/** The base of the classes below: a {@link MnemonError} whose code is known from its class. */
type ErrorClass = new (message: string, parts?: ErrorParts) => MnemonError;

/** The call was cancelled: by an `AbortSignal`, by `close()`, or by the server. */
export class CancelledError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("CANCELLED", message, parts);
  }
}

/** A failure without a known kind. */
export class UnknownError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("UNKNOWN", message, parts);
  }
}

/** The request breaks a rule; `violations` names each field. */
export class InvalidArgumentError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("INVALID_ARGUMENT", message, parts);
  }
}

/** The call's deadline passed. A write may have happened: repeat it with the same `requestId`. */
export class DeadlineExceededError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("DEADLINE_EXCEEDED", message, parts);
  }
}

/** No such thing within the key's reach. */
export class NotFoundError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("NOT_FOUND", message, parts);
  }
}

/** The id is taken, or the `requestId` was used with another body. */
export class AlreadyExistsError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("ALREADY_EXISTS", message, parts);
  }
}

/** The key may not do this; `metadata.required_role` says which role may. */
export class PermissionDeniedError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("PERMISSION_DENIED", message, parts);
  }
}

/** A limit or quota is used up; `retryAfter` says when to come back. */
export class ResourceExhaustedError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("RESOURCE_EXHAUSTED", message, parts);
  }
}

/** The state of things does not allow it; trying again does not help. */
export class FailedPreconditionError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("FAILED_PRECONDITION", message, parts);
  }
}

/** Somebody else was faster; read again (`metadata.etag`) and decide anew. */
export class AbortedError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("ABORTED", message, parts);
  }
}

/** A position outside of what is kept. */
export class OutOfRangeError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("OUT_OF_RANGE", message, parts);
  }
}

/** The server does not have this call. */
export class UnimplementedError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("UNIMPLEMENTED", message, parts);
  }
}

/** A fault of the service; `metadata.request_id` finds it in the logs. */
export class InternalError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("INTERNAL", message, parts);
  }
}

/** The server, its index or a model provider does not answer; trying again later may help. */
export class UnavailableError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("UNAVAILABLE", message, parts);
  }
}

/** Data was lost on the way. */
export class DataLossError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("DATA_LOSS", message, parts);
  }
}

/** No key, or none that the server knows. */
export class UnauthenticatedError extends MnemonError {
  constructor(message: string, parts?: ErrorParts) {
    super("UNAUTHENTICATED", message, parts);
  }
}

const CLASSES: Record<Code, ErrorClass> = {
  CANCELLED: CancelledError,
  UNKNOWN: UnknownError,
  INVALID_ARGUMENT: InvalidArgumentError,
  DEADLINE_EXCEEDED: DeadlineExceededError,
  NOT_FOUND: NotFoundError,
  ALREADY_EXISTS: AlreadyExistsError,
  PERMISSION_DENIED: PermissionDeniedError,
  RESOURCE_EXHAUSTED: ResourceExhaustedError,
  FAILED_PRECONDITION: FailedPreconditionError,
  ABORTED: AbortedError,
  OUT_OF_RANGE: OutOfRangeError,
  UNIMPLEMENTED: UnimplementedError,
  INTERNAL: InternalError,
  UNAVAILABLE: UnavailableError,
  DATA_LOSS: DataLossError,
  UNAUTHENTICATED: UnauthenticatedError,
};

/** What a transport knows of a failure. */
export interface Failure {
  /** The canonical code's number. */
  readonly code: number;
  /** In words. */
  readonly message: string;
  /** The trailer `grpc-status-details-bin`: a serialised `google.rpc.Status`. */
  readonly details?: Uint8Array | undefined;
  /** The transport's own error. */
  readonly cause?: unknown;
}

/** The typed error of a failed call. Details that cannot be decoded are left out, never thrown. */
export function errorFromFailure(failure: Failure): MnemonError {
  const name = CODES[failure.code];
  const code: Code = name === undefined || name === "OK" ? "UNKNOWN" : name;
  const parts = failure.details === undefined ? {} : decodeDetails(failure.details);
  return new CLASSES[code](failure.message, { ...parts, cause: failure.cause });
}

/** A request that the client refuses by itself, as the server would. */
export function invalidField(field: string, description: string): InvalidArgumentError {
  return new InvalidArgumentError(`${field}: ${description}`, {
    reason: "INVALID_FIELD",
    violations: [{ field, description }],
  });
}

function decodeDetails(bytes: Uint8Array): ErrorParts {
  let reason: string | undefined;
  let metadata: Record<string, string> | undefined;
  let violations: FieldViolation[] | undefined;
  let retryAfter: number | undefined;
  try {
    for (const detail of fromBinary(StatusSchema, bytes).details) {
      const info = anyUnpack(detail, ErrorInfoSchema);
      if (info !== undefined) {
        reason = info.reason;
        metadata = info.metadata;
      }
      const request = anyUnpack(detail, BadRequestSchema);
      if (request !== undefined) {
        violations = request.fieldViolations.map(({ field, description }) => ({ field, description }));
      }
      const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
      if (delay !== undefined) retryAfter = Number(delay.seconds) + delay.nanos / 1e9;
    }
  } catch {
    // A proxy may have written the trailer; the code and message are still worth more than a decoding error.
  }
  return { reason, metadata, violations, retryAfter };
}
