/**
 * The client for Node.
 *
 * ```ts
 * import { MnemonClient } from "@mnemon/client";
 *
 * const client = new MnemonClient();
 * await client.add("I moved to Lisbon in May.", { userId: "ana" });
 * const { hits } = await client.search("Where does she live?", { userId: "ana" });
 * ```
 *
 * @module
 */
import type { ChannelOptions } from "@grpc/grpc-js";
import { BaseClient, type BaseClientOptions } from "./client.js";
import { resolveAddress, resolveApiKey, resolveTls } from "./node/defaults.js";
import { createGrpcTransport, type TlsOptions } from "./node/grpc.js";
import { traceContextPropagation } from "./node/tracing.js";
import type { Transport } from "./transport.js";

export * from "./core.js";
export { DEFAULT_ADDRESS } from "./node/defaults.js";
export { createGrpcTransport, type GrpcTransportOptions, type TlsOptions } from "./node/grpc.js";

/** How a client connects and behaves. Everything may be left out. */
export interface MnemonClientOptions extends BaseClientOptions {
  /**
   * Where the server is: `host:port` (calls are shared out over all addresses of the name),
   * `https://host:port`, or a gRPC target as `dns:///host:port` or `unix:/path`. Else `MNEMON_ADDRESS`, else 127.0.0.1:7171.
   */
  readonly address?: string | undefined;
  /**
   * The API key, `mn_…`. Else `MNEMON_API_KEY`, else, for a server on this machine,
   * `keys/default.key` in its data directory (`$MNEMON_DATA_DIR` or `./.mnemon`). An empty string
   * sends none.
   */
  readonly apiKey?: string | undefined;
  /**
   * True, or keys and certificates, for TLS and mTLS; false for plaintext. If left out: plaintext to
   * this machine, TLS to every other.
   */
  readonly tls?: boolean | TlsOptions | undefined;
  /** More channel options of grpc-js. */
  readonly channelOptions?: ChannelOptions | undefined;
  /** Another transport; `address`, `tls` and `channelOptions` are then not used. */
  readonly transport?: Transport | undefined;
}

/** Remembers and finds. One client serves a whole process; it is safe to use it from many places at once. */
export class MnemonClient extends BaseClient {
  /** A client; it connects at the first call. */
  constructor(options: MnemonClientOptions = {}) {
    const address = resolveAddress(options);
    const transport =
      options.transport ??
      createGrpcTransport({
        address: address.target,
        tls: resolveTls(options, address),
        channelOptions: options.channelOptions,
      });
    super(transport, {
      ...options,
      apiKey: resolveApiKey(options, address),
      propagate: options.propagate ?? traceContextPropagation(),
    });
  }
}
