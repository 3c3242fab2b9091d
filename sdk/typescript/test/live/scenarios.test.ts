/**
 * Plays every scenario of tests/scenarios against the server at MNEMON_ADDRESS.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MnemonClient } from "../../src/index.js";
import { Player, type Scenario } from "../support/player.js";

const directory = resolve(dirname(fileURLToPath(import.meta.url)), "../../../../../tests/scenarios");
const files = readdirSync(directory).filter((name) => name.endsWith(".json") && name !== "schema.json");
const clients = new Map<string | undefined, MnemonClient>();

/** One client a key. */
function clientOf(apiKey: string | undefined): MnemonClient {
  const client = clients.get(apiKey) ?? new MnemonClient({ apiKey });
  clients.set(apiKey, client);
  return client;
}

after(() => {
  for (const client of clients.values()) client.close();
});

/** What this server can do, of what a scenario may need. */
async function features(): Promise<Set<string>> {
  const info = await clientOf(undefined).admin.server.info();
  const found = new Set<string>();
  if (process.env["MNEMON_API_KEY"]) found.add("auth");
  if (info.extractionModel?.available === true && info.extractionModel.provider !== "deterministic")
    found.add("provider");
  if (info.embeddingModel?.available === true) found.add("semantic");
  return found;
}

for (const file of files.sort()) {
  const scenario = JSON.parse(readFileSync(join(directory, file), "utf8")) as Scenario;
  test(`${file}: ${scenario.title}`, async (t) => {
    const present = scenario.needs?.length ? await features() : new Set<string>();
    const missing = scenario.needs?.filter((need) => !present.has(need)) ?? [];
    if (missing.length > 0) {
      t.skip(`the server has no ${missing.join(", ")}`);
      return;
    }
    const variables = { run: randomBytes(4).toString("hex"), root_key: process.env["MNEMON_ROOT_KEY"] ?? "" };
    await new Player(variables, clientOf).play(scenario);
  });
}
