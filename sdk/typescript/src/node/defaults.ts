/**
 * Where a client connects to and with which key when its options do not say.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { GrpcTransportOptions, TlsOptions } from "./grpc.js";

/** Where `mnemon-service serve` listens unless it is told otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:7171";

/** What a client's options say about the connection. */
export interface ConnectionOptions {
  readonly address?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly tls?: boolean | TlsOptions | undefined;
}

/** The address: the option, else `MNEMON_ADDRESS`, else the default. */
export function resolveAddress({ address }: ConnectionOptions): string {
  return address ?? (process.env["MNEMON_ADDRESS"] || DEFAULT_ADDRESS);
}

/**
 * The key: the option, else `MNEMON_API_KEY`, else, for a server on this machine, the one that it
 * wrote into its data directory (`$MNEMON_DATA_DIR` or `./.mnemon`) when it first began.
 */
export function resolveApiKey({ apiKey }: ConnectionOptions, address: string): string | undefined {
  if (apiKey !== undefined) return apiKey === "" ? undefined : apiKey;
  const fromEnvironment = process.env["MNEMON_API_KEY"];
  if (fromEnvironment) return fromEnvironment;
  if (!isLoopback(address)) return undefined;
  try {
    const directory = process.env["MNEMON_DATA_DIR"] || ".mnemon";
    return readFileSync(join(directory, "keys", "default.key"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** TLS unless the option says otherwise or the server is on this machine. */
export function resolveTls({ tls }: ConnectionOptions, address: string): GrpcTransportOptions["tls"] {
  return tls ?? !isLoopback(address);
}

/** True for `localhost`, 127.0.0.0/8, `[::1]` and Unix sockets. */
export function isLoopback(address: string): boolean {
  if (/^unix(-abstract)?:/.test(address)) return true;
  const authority = address.replace(/^(dns|ipv4|ipv6):(\/\/[^/]*\/)?/, "");
  const host = /^\[([^\]]*)\]/.exec(authority)?.[1] ?? authority.replace(/:\d+$/, "");
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
