import { context, propagation } from "@opentelemetry/api";
import { ServerCredentials } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { InvalidArgumentError, MnemonClient, UnavailableError } from "../src/index.js";
import { resolveAddress, resolveApiKey, resolveTls } from "../src/node/defaults.js";
import { ScriptedServer } from "./support/server.js";

const directory = mkdtempSync(join(tmpdir(), "mnemon-client-"));
const VARIABLES = ["MNEMON_ADDRESS", "MNEMON_API_KEY", "MNEMON_DATA_DIR"] as const;
const kept = new Map(VARIABLES.map((name) => [name, process.env[name]]));

before(() => {
  for (const name of VARIABLES) delete process.env[name];
});

after(() => {
  rmSync(directory, { recursive: true });
  for (const [name, value] of kept) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** Plays with environment variables and puts them back. */
function withEnvironment<T>(variables: Record<string, string>, play: () => T): T {
  Object.assign(process.env, variables);
  try {
    return play();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
}

test("the address is the option, else MNEMON_ADDRESS, else port 7171 on this machine", () => {
  assert.equal(resolveAddress({}).target, "dns:///127.0.0.1:7171");
  withEnvironment({ MNEMON_ADDRESS: "memory:9000" }, () => {
    assert.equal(resolveAddress({}).target, "dns:///memory:9000");
    assert.equal(resolveAddress({ address: "other:1" }).target, "dns:///other:1");
  });
});

test("addresses are understood with and without scheme and port", () => {
  assert.deepEqual(resolveAddress({ address: "https://memory.example" }), {
    target: "dns:///memory.example:443",
    secured: true,
  });
  assert.deepEqual(resolveAddress({ address: "http://memory:80/" }), {
    target: "dns:///memory:80",
    secured: false,
  });
  assert.equal(resolveAddress({ address: "memory" }).target, "dns:///memory:7171");
  assert.equal(resolveAddress({ address: "[::1]" }).target, "dns:///[::1]:7171");
  assert.equal(resolveAddress({ address: "unix:/run/mnemon" }).target, "unix:/run/mnemon");
  assert.equal(resolveAddress({ address: "dns:///memory:1" }).target, "dns:///memory:1");
  for (const wrong of ["a/b", "https://a/b", "a b", " "]) {
    assert.throws(() => resolveAddress({ address: wrong }), InvalidArgumentError, wrong);
  }
});

test("only a server on this machine is spoken to in plain text unless asked for", () => {
  const tls = (address: string): unknown => resolveTls({}, resolveAddress({ address }));
  for (const local of ["localhost", "127.0.0.1:1", "127.8.0.1", "[::1]:7", "unix:/x", "dns:///localhost:1"]) {
    assert.equal(tls(local), false, local);
  }
  for (const remote of [
    "memory:7171",
    "10.0.0.1",
    "127.evil.example",
    "localhost.evil.example",
    "dns:///m:1",
  ]) {
    assert.equal(tls(remote), true, remote);
  }
  assert.equal(tls("http://memory"), false);
  assert.equal(resolveTls({ tls: false }, resolveAddress({ address: "memory" })), false);
});

test("the key is the option, else MNEMON_API_KEY, else the server's own key file on this machine", () => {
  const data = join(directory, "data");
  mkdirSync(join(data, "keys"), { recursive: true });
  writeFileSync(join(data, "keys", "default.key"), "mn_file\n");
  const local = resolveAddress({ address: "localhost" });
  assert.equal(resolveApiKey({}, local), undefined);
  withEnvironment({ MNEMON_DATA_DIR: data }, () => {
    assert.equal(resolveApiKey({}, local), "mn_file");
    assert.equal(resolveApiKey({}, resolveAddress({ address: "memory.example" })), undefined);
    withEnvironment({ MNEMON_API_KEY: "mn_env" }, () => {
      assert.equal(resolveApiKey({}, local), "mn_env");
      assert.equal(resolveApiKey({ apiKey: "mn_option" }, local), "mn_option");
      assert.equal(resolveApiKey({ apiKey: "" }, local), undefined);
    });
  });
});

test("the key, the client's and the call's metadata are sent", async () => {
  await using server = await ScriptedServer.start();
  using client = new MnemonClient({
    address: server.address,
    apiKey: "mn_key",
    headers: { "x-team": "red" },
  });
  await client.search("x", { userId: "ana", headers: { "x-request": "7" } });
  const metadata = server.calls[0]?.metadata;
  assert.deepEqual(metadata?.get("authorization"), ["Bearer mn_key"]);
  assert.deepEqual(metadata.get("x-team"), ["red"]);
  assert.deepEqual(metadata.get("x-request"), ["7"]);
  assert.match(String(metadata.get("user-agent")[0]), /^mnemon-typescript\/0\.1\.0 /);
});

test("the trace context goes along when OpenTelemetry is there", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  propagation.setGlobalPropagator({
    inject: (_, carrier, setter) => {
      setter.set(carrier, "traceparent", traceparent);
    },
    extract: () => context.active(),
    fields: () => ["traceparent"],
  });
  try {
    await using server = await ScriptedServer.start();
    using client = new MnemonClient({ address: server.address });
    await client.search("x", { userId: "ana" });
    await client.searchStream("x", { userId: "ana" }).all();
    assert.deepEqual(
      server.calls.map((call) => call.metadata.get("traceparent")[0]),
      [traceparent, traceparent],
    );
  } finally {
    propagation.disable();
  }
});

test("calls are shared out over all addresses of a target", async () => {
  await using first = await ScriptedServer.start();
  await using second = await ScriptedServer.start();
  using client = new MnemonClient({ address: `ipv4:${first.address},${second.address}`, tls: false });
  // Until both connections stand, the first one takes all.
  while (first.calls.length === 0 || second.calls.length === 0) await client.search("x", { userId: "ana" });
  const before = [first.calls.length, second.calls.length];
  for (let call = 0; call < 10; call++) await client.search("x", { userId: "ana" });
  assert.deepEqual([first.calls.length - (before[0] ?? 0), second.calls.length - (before[1] ?? 0)], [5, 5]);
});

test("a server that comes back is found again by the call's own retries", async () => {
  const first = await ScriptedServer.start();
  using client = new MnemonClient({ address: first.address, maxRetries: 10 });
  await client.search("x", { userId: "ana" });
  first.stop();
  const search = client.search("x", { userId: "ana" });
  await using second = await ScriptedServer.start({}, { address: first.address });
  await search;
  assert.equal(second.calls.length, 1);
});

/** A certificate authority, and a certificate of `name` that it signed. */
function certificates(): Record<"ca" | "serverCert" | "serverKey" | "clientCert" | "clientKey", Buffer> {
  const run = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  run("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca", "-days", "2");
  for (const name of ["server", "client"]) {
    run("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(join(directory, `${name}.ext`), "subjectAltName=DNS:mnemon.test");
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", `${name}.ext`];
    run("x509", "-req", "-in", `${name}.csr`, ...signed, "-out", `${name}.pem`, "-days", "2");
  }
  const read = (name: string): Buffer => readFileSync(join(directory, name));
  return {
    ca: read("ca.pem"),
    serverCert: read("server.pem"),
    serverKey: read("server.key"),
    clientCert: read("client.pem"),
    clientKey: read("client.key"),
  };
}

test("mTLS: a client with the right certificate is served, one without is not", async () => {
  const pem = certificates();
  const pair = { private_key: pem.serverKey, cert_chain: pem.serverCert };
  const credentials = ServerCredentials.createSsl(pem.ca, [pair], true);
  await using server = await ScriptedServer.start({}, { credentials });
  const tls = { rootCertificates: pem.ca.toString(), serverName: "mnemon.test" };
  const { clientKey: privateKey, clientCert: certificateChain } = pem;
  using client = new MnemonClient({ address: server.address, tls: { ...tls, privateKey, certificateChain } });
  await client.search("x", { userId: "ana" });
  using stranger = new MnemonClient({ address: server.address, tls, maxRetries: 0 });
  await assert.rejects(stranger.search("x", { userId: "ana" }), UnavailableError);
  using trusting = new MnemonClient({ address: server.address, tls: true, maxRetries: 0 });
  await assert.rejects(trusting.search("x", { userId: "ana" }), UnavailableError);
  assert.equal(server.calls.length, 1);
});
