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

/** Whether this server has what a scenario may need. */
const FEATURES: Record<string, () => Promise<boolean>> = {
  auth: () => Promise.resolve(Boolean(process.env["MNEMON_API_KEY"])),
  provider: async () => {
    const { extractionModel } = await clientOf(undefined).admin.server.info();
    return extractionModel?.available === true && extractionModel.provider !== "deterministic";
  },
  semantic: async () => (await clientOf(undefined).admin.server.info()).embeddingModel?.available === true,
};

for (const file of files.sort()) {
  const scenario = JSON.parse(readFileSync(join(directory, file), "utf8")) as Scenario;
  test(`${file}: ${scenario.title}`, async (t) => {
    for (const need of scenario.needs ?? []) {
      if (await FEATURES[need]?.()) continue;
      t.skip(`the server has no ${need}`);
      return;
    }
    const variables = { run: randomBytes(4).toString("hex"), root_key: process.env["MNEMON_ROOT_KEY"] ?? "" };
    await new Player(variables, clientOf).play(scenario);
  });
}
