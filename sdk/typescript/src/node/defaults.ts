/**
 * Where a client connects to and with which key when its options do not say.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError } from "../errors.js";
import type { GrpcTransportOptions, TlsOptions } from "./grpc.js";

/** Where `mnemon-service serve` listens unless it is told otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:7171";
const DEFAULT_PORT = 7171;

/** What a client's options say about the connection. */
export interface ConnectionOptions {
  readonly address?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly tls?: boolean | TlsOptions | undefined;
}

/** Where to connect to, as a gRPC target, and what its scheme says about TLS. */
export interface Address {
  readonly target: string;
  readonly secured: boolean | undefined;
}

/**
 * The address: the option, else `MNEMON_ADDRESS`, else the default. A name is resolved by DNS, and
 * calls are shared out over all its addresses.
 *
 * @throws InvalidArgumentError for one that cannot be read.
 */
export function resolveAddress({ address }: ConnectionOptions): Address {
  const given = (address ?? (process.env["MNEMON_ADDRESS"] || DEFAULT_ADDRESS)).trim();
  const [, scheme, authority] = /^(https?):\/\/([^/?#]+)\/?$/.exec(given) ?? [];
  if (scheme !== undefined && authority !== undefined) {
    const port = scheme === "https" ? 443 : DEFAULT_PORT;
    return { target: `dns:///${withPort(authority, port)}`, secured: scheme === "https" };
  }
  if (/^(dns|unix|unix-abstract|ipv4|ipv6|xds):/.test(given)) return { target: given, secured: undefined };
  if (given === "" || /[/\s?#]/.test(given)) {
    throw new InvalidArgumentError(`not an address: "${given}"; give host:port or https://host:port`);
  }
  return { target: `dns:///${withPort(given, DEFAULT_PORT)}`, secured: undefined };
}

function withPort(authority: string, port: number): string {
  return /:\d+$/.test(authority) ? authority : `${authority}:${String(port)}`;
}

/**
 * The key: the option, else `MNEMON_API_KEY`, else, for a server on this machine, the one that it
 * wrote into its data directory (`$MNEMON_DATA_DIR` or `./.mnemon`) when it first began.
 */
export function resolveApiKey({ apiKey }: ConnectionOptions, { target }: Address): string | undefined {
  if (apiKey !== undefined) return apiKey === "" ? undefined : apiKey;
  const fromEnvironment = process.env["MNEMON_API_KEY"];
  if (fromEnvironment) return fromEnvironment;
  if (!isLoopback(target)) return undefined;
  try {
    const directory = process.env["MNEMON_DATA_DIR"] || ".mnemon";
    return readFileSync(join(directory, "keys", "default.key"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** TLS: the option, else the address's scheme, else on unless the server is on this machine. */
export function resolveTls(
  { tls }: ConnectionOptions,
  { target, secured }: Address,
): GrpcTransportOptions["tls"] {
  return tls ?? secured ?? !isLoopback(target);
}

/** True if the target's name alone says that it is this machine. */
function isLoopback(target: string): boolean {
  if (/^unix(-abstract)?:/.test(target)) return true;
  const authority = target.replace(/^(dns|ipv4|ipv6):(\/\/[^/]*\/)?/, "");
  const host = /^\[([^\]]*)\]/.exec(authority)?.[1] ?? authority.replace(/:\d+$/, "");
  return (
    host === "localhost" || host.endsWith(".localhost") || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)
  );
}
