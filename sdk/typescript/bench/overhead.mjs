/**
 * What the client costs over the bare stub: the same searches, one after the other, through
 * `client.search` and through grpc-js with protobuf-es alone, in turns so that both see the same
 * machine. Prints milliseconds a call and the client's share, wall time and CPU of this process.
 *
 *     npm run build && MNEMON_ADDRESS=127.0.0.1:7171 node bench/overhead.mjs [searches]
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import { MnemonClient } from "@mnemon/client";
import { SearchRequestSchema, SearchResponseSchema, SearchMode } from "@mnemon/client/proto";
import { resolveAddress, resolveApiKey } from "../dist/node/defaults.js";

const SEARCHES = Number(process.argv[2] ?? 1000);
const ROUNDS = 10;
const USER = "overhead-bench";
const QUERY = "Where does Ana live and what does she eat?";
const TOP_K = 10;

const address = resolveAddress({});
const apiKey = resolveApiKey({}, address);
const client = new MnemonClient();
const texts = Array.from(
  { length: 50 },
  (_, index) => `Ana eats dish number ${index} when she is in Lisbon.`,
);
await client.add([], { userId: USER, texts, infer: false, requestId: "overhead-bench" });

const stub = new Client(address.target, credentials.createInsecure());
const request = create(SearchRequestSchema, {
  query: QUERY,
  scope: { userId: USER },
  topK: TOP_K,
  mode: SearchMode.KEYWORD,
});

/** One search as a program without the client would make it. */
function bare() {
  const metadata = new Metadata();
  if (apiKey !== undefined) metadata.set("authorization", `Bearer ${apiKey}`);
  return new Promise((resolve, reject) => {
    stub.makeUnaryRequest(
      "/mnemon.v1.SearchService/Search",
      (message) => Buffer.from(toBinary(SearchRequestSchema, message)),
      (bytes) => fromBinary(SearchResponseSchema, bytes),
      request,
      metadata,
      { deadline: Date.now() + 30_000 },
      (error, answer) => (error ? reject(error) : resolve(answer)),
    );
  });
}

const ours = () => client.search(QUERY, { userId: USER, topK: TOP_K, mode: "KEYWORD" });

/** Milliseconds a call: wall time of each, and CPU of this process on average. */
async function measure(search, count) {
  const walls = [];
  const cpu = process.cpuUsage();
  for (let call = 0; call < count; call++) {
    const begin = performance.now();
    await search();
    walls.push(performance.now() - begin);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { walls, cpu: (user + system) / 1000 };
}

const totals = { bare: { walls: [], cpu: 0 }, client: { walls: [], cpu: 0 } };
await measure(bare, 100);
await measure(ours, 100);
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, search] of [
    ["bare", bare],
    ["client", ours],
  ]) {
    const { walls, cpu } = await measure(search, Math.ceil(SEARCHES / ROUNDS));
    totals[name].walls.push(...walls);
    totals[name].cpu += cpu;
  }
}
client.close();
stub.close();

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const row = ({ walls, cpu }) => ({ median: median(walls), cpu: cpu / walls.length });
const [stubRow, clientRow] = [row(totals.bare), row(totals.client)];
console.log(`${totals.bare.walls.length} searches each, ${TOP_K} hits, milliseconds a call`);
console.log(`            median   CPU here`);
for (const [name, { median, cpu }] of [
  ["bare stub", stubRow],
  ["client", clientRow],
]) {
  console.log(`${name.padEnd(10)}  ${median.toFixed(3).padStart(6)}   ${cpu.toFixed(3).padStart(6)}`);
}
const added = (clientRow.cpu - stubRow.cpu) * 1000;
console.log(`the client adds ${added.toFixed(0)} µs of CPU a call`);
