/**
 * A real gRPC server in this process whose answers a test writes down.
 */
import { create, fromBinary, toBinary, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  Server,
  ServerCredentials,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { once } from "node:events";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../src/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../src/google/rpc/status_pb.js";
import { fromPlain } from "../../src/plain/from-plain.js";
import { toPlain } from "../../src/plain/to-plain.js";
import { AdminService, MemoryService, SearchService } from "../../src/proto.js";

/** What the server saw of one call. */
export interface SeenCall {
  readonly method: string;
  /** The first request in plain form, or what could be read of it. */
  readonly request: Record<string, unknown>;
  readonly metadata: Metadata;
  /** Resolves when the call is over because its caller went away. */
  readonly cancelled: Promise<void>;
}

/** Gives the answers of one call; throws to fail it. `requests` are read as they come. */
export type Script = (
  call: SeenCall,
  requests: AsyncIterable<Record<string, unknown>>,
) => Iterable<unknown> | AsyncIterable<unknown>;

/** A failure with the details that the real server sends. */
export class ScriptedError extends Error {
  readonly code: number;
  readonly metadata = new Metadata();

  constructor(
    code: number,
    reason: string,
    details: {
      metadata?: Record<string, string>;
      violations?: { field: string; description: string }[];
      retryAfter?: { seconds: bigint; nanos: number };
    } = {},
  ) {
    super(`scripted ${reason}`);
    this.code = code;
    const packed = [
      anyPack(
        ErrorInfoSchema,
        create(ErrorInfoSchema, { reason, domain: "mnemon", metadata: details.metadata ?? {} }),
      ),
    ];
    if (details.violations) {
      packed.push(
        anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: details.violations })),
      );
    }
    if (details.retryAfter) {
      packed.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: details.retryAfter })));
    }
    const status = create(StatusSchema, { code, message: this.message, details: packed });
    this.metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, status)));
  }
}

/** A server that plays scripts by RPC name; RPCs without one answer an empty message. */
export class ScriptedServer implements AsyncDisposable {
  readonly calls: SeenCall[] = [];
  readonly #server = new Server();
  readonly #scripts: Readonly<Record<string, Script>>;
  address = "";

  private constructor(scripts: Readonly<Record<string, Script>>) {
    this.#scripts = scripts;
  }

  static async start(
    scripts: Readonly<Record<string, Script>> = {},
    { address = "127.0.0.1:0", credentials = ServerCredentials.createInsecure() } = {},
  ): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(scripts);
    for (const service of [MemoryService, SearchService, AdminService]) {
      const implementation: UntypedServiceImplementation = {};
      const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
      for (const method of service.methods) {
        definition[method.name] = definitionOf(method);
        implementation[method.name] = (call: ServerDuplexStream<unknown, unknown>) =>
          void scripted.#play(method, call);
      }
      scripted.#server.addService(definition as ServiceDefinition, implementation);
    }
    const port = await new Promise<number>((resolve, reject) => {
      scripted.#server.bindAsync(address, credentials, (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    scripted.address = `127.0.0.1:${String(port)}`;
    return scripted;
  }

  /** How often an RPC was called. */
  count(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    return Promise.resolve();
  }

  async #play(method: DescMethod, call: ServerDuplexStream<unknown, unknown>): Promise<void> {
    const cancelled = new Promise<void>((resolve) => call.once("cancelled", resolve));
    const requests = plainRequests(method, call);
    try {
      const first = await requests.next();
      const request = first.done === true ? {} : first.value;
      const seen = { method: method.name, request, metadata: call.metadata, cancelled };
      this.calls.push(seen);
      const script = this.#scripts[method.name];
      if (script === undefined) {
        if (method.methodKind === "unary" || method.methodKind === "client_streaming")
          call.write(create(method.output));
      } else {
        for await (const answer of script(seen, requests)) {
          if (!call.write(fromPlain(method.output, answer))) await once(call, "drain");
        }
      }
      call.end();
    } catch (error) {
      call.emit("error", error);
    }
  }
}

async function* plainRequests(
  method: DescMethod,
  call: ServerDuplexStream<unknown, unknown>,
): AsyncGenerator<Record<string, unknown>, void, undefined> {
  // Destroying the call at the end of its requests would take its answers with it.
  for await (const message of call.iterator({ destroyOnReturn: false })) {
    yield toPlain<Record<string, unknown>>(method.input, message as never);
  }
}

/** On the wire all kinds of calls are the same, so each is served as a stream. */
function definitionOf(method: DescMethod): MethodDefinition<unknown, unknown> {
  const serialize = (schema: DescMessage) => (message: unknown) =>
    Buffer.from(toBinary(schema, message as never));
  const deserialize = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
  };
}
