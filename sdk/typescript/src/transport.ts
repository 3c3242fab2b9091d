/**
 * What the client needs of a transport. The package brings one over HTTP/2 for Node
 * (`node/grpc.ts`); a browser can give one over gRPC-Web.
 */
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";

/** What goes with one try of a call. */
export interface TransportCall {
  /** Metadata to send, names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds until the deadline; none if undefined. */
  readonly timeoutMs: number | undefined;
  /** Aborted when nobody wants the answer any more: the transport must cancel the call. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Carries calls. Failures are thrown as the error that `errorFromFailure` makes of the canonical
 * code, the message and the trailer `grpc-status-details-bin`.
 */
export interface Transport {
  /** One request, one answer. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: TransportCall,
  ): Promise<MessageShape<O>>;

  /** Requests and answers as streams. The call begins when the answers are first asked for. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    requests: AsyncIterable<MessageShape<I>>,
    call: TransportCall,
  ): AsyncIterable<MessageShape<O>>;

  /** Closes all connections; calls under way are cancelled. */
  close(): void;
}
