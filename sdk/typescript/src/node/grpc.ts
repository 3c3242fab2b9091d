/**
 * The transport for Node: gRPC over HTTP/2 with grpc-js, messages by protobuf-es.
 */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  Client,
  Metadata,
  credentials,
  type CallOptions as GrpcCallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { errorFromFailure, type MnemonError } from "../errors.js";
import type { Transport, TransportCall } from "../transport.js";
import { VERSION } from "../version.js";

/** Milliseconds between pings on a connection with calls under way; the server allows one every 10 seconds. */
const KEEPALIVE_TIME_MS = 30_000;

/** Milliseconds without an answer to a ping after which a connection counts as broken. */
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Milliseconds before a lost connection is tried again, first and at most. */
const FIRST_RECONNECT_MS = 100;
const LONGEST_RECONNECT_MS = 5_000;

/** Bytes of the largest answer: an export's page of 500 memories of 32 KiB fits in. */
const LARGEST_ANSWER = 64 << 20;

/** Answers of a stream that wait for their reader before the server is told to pause. */
const READ_AHEAD = 16;

/** Keys and certificates as PEM. */
export interface TlsOptions {
  /** Certificates of the authorities that may have signed the server's; the system's if left out. */
  readonly rootCertificates?: string | Uint8Array | undefined;
  /** The client's private key, for mTLS. */
  readonly privateKey?: string | Uint8Array | undefined;
  /** The client's certificate and those up to its root, for mTLS. */
  readonly certificateChain?: string | Uint8Array | undefined;
  /** The name that the server's certificate must hold, if it is not the address's. */
  readonly serverName?: string | undefined;
}

/** Where to connect to, and how. */
export interface GrpcTransportOptions {
  /** A gRPC target: `host:port`, `dns:///host:port`, `unix:/path`. */
  readonly address: string;
  /** TLS, or false for plaintext. */
  readonly tls: boolean | TlsOptions;
  /** More channel options of grpc-js, going before those of this transport. */
  readonly channelOptions?: ChannelOptions | undefined;
}

/** A transport over one channel: it connects at the first call, to all addresses of the name, and shares out the calls. */
export function createGrpcTransport(options: GrpcTransportOptions): Transport {
  return new GrpcTransport(options);
}

class GrpcTransport implements Transport {
  readonly #client: Client;
  readonly #calls = new Set<Cancellable>();

  constructor({ address, tls, channelOptions }: GrpcTransportOptions) {
    const serverName = typeof tls === "object" ? tls.serverName : undefined;
    this.#client = new Client(address, channelCredentials(tls), {
      "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.initial_reconnect_backoff_ms": FIRST_RECONNECT_MS,
      "grpc.max_reconnect_backoff_ms": LONGEST_RECONNECT_MS,
      "grpc.max_receive_message_length": LARGEST_ANSWER,
      "grpc.primary_user_agent": `mnemon-typescript/${VERSION}`,
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      ...(serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName }),
      ...channelOptions,
    });
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: TransportCall,
  ): Promise<MessageShape<O>> {
    try {
      return await this.#unary(method, request, call);
    } catch (error) {
      // Made here and not in the callback, so that its stack shows who called.
      throw typedError(error as ServiceError);
    }
  }

  #unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: TransportCall,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const grpcCall = this.#client.makeUnaryRequest(
        pathOf(method),
        serializer(method.input),
        deserializer(method.output),
        request,
        metadataOf(call),
        callOptionsOf(call),
        (error, answer) => {
          this.#calls.delete(grpcCall);
          call.signal?.removeEventListener("abort", cancel);
          if (error !== null) reject(error);
          else resolve(answer ?? create(method.output));
        },
      );
      const cancel = (): void => {
        grpcCall.cancel();
      };
      call.signal?.addEventListener("abort", cancel, { once: true });
      this.#calls.add(grpcCall);
    });
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    requests: AsyncIterable<MessageShape<I>>,
    call: TransportCall,
  ): AsyncIterable<MessageShape<O>> {
    // On the wire all kinds of streaming calls are the same, so one method serves them.
    const begin = (): AsyncIterator<MessageShape<O>> => {
      const grpcCall = this.#client.makeBidiStreamRequest(
        pathOf(method),
        serializer(method.input),
        deserializer(method.output),
        metadataOf(call),
        callOptionsOf(call),
      );
      this.#calls.add(grpcCall);
      return new Answers(grpcCall, requests, call.signal, () => this.#calls.delete(grpcCall));
    };
    return { [Symbol.asyncIterator]: begin };
  }

  close(): void {
    // grpc-js would let them go on.
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }
}

interface Cancellable {
  cancel(): void;
}

/** The answers of one streaming call; cancels it when it is left or its signal is aborted. */
class Answers<I, O> implements AsyncIterator<O, undefined> {
  readonly #call: ClientDuplexStream<I, O>;
  readonly #signal: AbortSignal | undefined;
  readonly #waiting: O[] = [];
  #failure: (() => Error) | undefined;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #onEnd: () => void;

  constructor(
    call: ClientDuplexStream<I, O>,
    requests: AsyncIterable<I>,
    signal: AbortSignal | undefined,
    onEnd: () => void,
  ) {
    this.#onEnd = onEnd;
    this.#call = call;
    this.#signal = signal;
    call.on("data", (answer: O) => {
      this.#waiting.push(answer);
      if (this.#waiting.length >= READ_AHEAD) call.pause();
      this.#wake?.();
    });
    call.on("error", (error: ServiceError) => {
      this.#finish(() => typedError(error));
    });
    call.on("end", () => {
      this.#finish(undefined);
    });
    if (signal?.aborted === true) this.#cancel();
    else signal?.addEventListener("abort", this.#cancel, { once: true });
    void this.#send(requests);
  }

  async next(): Promise<IteratorResult<O, undefined>> {
    for (;;) {
      const answer = this.#waiting.shift();
      if (answer !== undefined) {
        if (this.#call.isPaused() && this.#waiting.length < READ_AHEAD / 2) this.#call.resume();
        return { done: false, value: answer };
      }
      if (this.#failure !== undefined) throw this.#failure();
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  return(): Promise<IteratorResult<O, undefined>> {
    this.#cancel();
    return Promise.resolve({ done: true, value: undefined });
  }

  readonly #cancel = (): void => {
    this.#waiting.length = 0;
    this.#call.cancel();
    // A paused stream would not tell how it ended.
    this.#call.resume();
  };

  #finish(failure: (() => Error) | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#onEnd();
    this.#signal?.removeEventListener("abort", this.#cancel);
    this.#wake?.();
  }

  async #send(requests: AsyncIterable<I>): Promise<void> {
    try {
      for await (const request of requests) {
        if (this.#ended) return;
        if (!this.#call.write(request)) await this.#drained();
      }
      this.#call.end();
    } catch (error) {
      // A request that could not be made: the caller sees its own error, not the cancellation's.
      this.#finish(() => error as Error);
      this.#cancel();
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#call.off("drain", done).off("close", done).off("error", done);
        resolve();
      };
      this.#call.on("drain", done).on("close", done).on("error", done);
    });
  }
}

function pathOf(method: DescMethodUnary | DescMethodStreaming): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function serializer<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}

function metadataOf(call: TransportCall): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(call.headers)) metadata.set(name, value);
  return metadata;
}

function callOptionsOf({ timeoutMs }: TransportCall): GrpcCallOptions {
  return timeoutMs === undefined || !Number.isFinite(timeoutMs) ? {} : { deadline: Date.now() + timeoutMs };
}

function typedError(error: ServiceError): MnemonError {
  const [details] = error.metadata.get("grpc-status-details-bin");
  return errorFromFailure({
    code: error.code,
    message: error.details,
    details: typeof details === "string" ? undefined : details,
  });
}

function channelCredentials(tls: boolean | TlsOptions): ChannelCredentials {
  if (tls === false) return credentials.createInsecure();
  const { rootCertificates, privateKey, certificateChain } = tls === true ? ({} as TlsOptions) : tls;
  return credentials.createSsl(pem(rootCertificates), pem(privateKey), pem(certificateChain));
}

function pem(value: string | Uint8Array | undefined): Buffer | null {
  return value === undefined ? null : Buffer.from(value as Uint8Array);
}
