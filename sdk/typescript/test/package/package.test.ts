/**
 * Packs the package, installs it into an empty folder and loads it in every way.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const folder = mkdtempSync(join(tmpdir(), "mnemon-package-"));

before(async () => {
  await run("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: root });
  const [tarball] = readdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", private: true }));
  await run("npm", ["install", "--silent", "--prefer-offline", `./${String(tarball)}`], { cwd: folder });
});

after(() => {
  rmSync(folder, { recursive: true });
});

/** What a script prints in the folder. */
async function script(name: string, code: string): Promise<{ stdout: string; stderr: string }> {
  writeFileSync(join(folder, name), code);
  return run(process.execPath, [name], { cwd: folder });
}

const USE = `
  const client = new MnemonClient({ address: "127.0.0.1:1", maxRetries: 0 });
  client.get("x").catch((error) => {
    console.log(error instanceof UnavailableError, error.name, typeof F.metadata);
    client.close();
  });`;

test("import", async () => {
  const { stdout } = await script(
    "esm.mjs",
    `import { F, MnemonClient, UnavailableError } from "@mnemon/client";${USE}`,
  );
  assert.equal(stdout, "true UnavailableError function\n");
});

test("require, without a warning", async () => {
  const { stdout, stderr } = await script(
    "cjs.cjs",
    `const { F, MnemonClient, UnavailableError } = require("@mnemon/client");${USE}`,
  );
  assert.equal(stdout, "true UnavailableError function\n");
  assert.equal(stderr, "");
});

test("core and proto, and one class of errors in all of them", async () => {
  const { stdout } = await script(
    "parts.mjs",
    `import { BaseClient, NotFoundError } from "@mnemon/client/core";
     import * as whole from "@mnemon/client";
     import { MemorySchema } from "@mnemon/client/proto";
     console.log(whole.NotFoundError === NotFoundError, new whole.MnemonClient() instanceof BaseClient, MemorySchema.typeName);`,
  );
  assert.equal(stdout, "true true mnemon.v1.Memory\n");
});

test("its types hold for a strict user, in both module systems", async () => {
  const code = `
    const client = new MnemonClient();
    export async function texts(): Promise<string[]> {
      const { hits } = await client.search("x", { userId: "ana", filters: F.type.eq("SEMANTIC"), topK: 3 });
      const at: Date | undefined = hits[0]?.memory.createTime;
      // @ts-expect-error: the ids are written in camel case
      await client.search("x", { user_id: "ana" });
      // @ts-expect-error: no such mode
      await client.search("x", { userId: "ana", mode: "FAST" });
      return hits.map((hit: MemoryHit) => hit.memory.text + String(at));
    }`;
  writeFileSync(
    join(folder, "use.mts"),
    `import { F, MnemonClient, type MemoryHit } from "@mnemon/client";${code}`,
  );
  writeFileSync(
    join(folder, "use.cts"),
    `import { F, MnemonClient, type MemoryHit } from "@mnemon/client";${code}`,
  );
  const flags = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--types", "node"];
  await run(join(root, "node_modules/.bin/tsc"), [...flags, "use.mts", "use.cts"], { cwd: folder }).catch(
    (error: { stdout: string }) => assert.fail(error.stdout),
  );
});
