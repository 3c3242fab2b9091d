/**
 * Compiles and runs the README's snippets against the server at MNEMON_ADDRESS.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
// Inside the package, so that "@mnemon/client" means the package itself.
const directory = join(root, "build", "readme");
const readme = readFileSync(join(root, "README.md"), "utf8");
const snippets = [...readme.matchAll(/^## ([^\n]*)\n|^```ts( check-only)?\n(.*?)^```/gms)].reduce<
  { title: string; code: string; runs: boolean }[]
>((found, [, title, checkOnly, code]) => {
  if (title !== undefined) found.push({ title, code: "", runs: true });
  else Object.assign(found.at(-1) ?? {}, { code, runs: checkOnly === undefined });
  return found;
}, []);
const written = snippets.filter((snippet) => snippet.code !== "");

before(async () => {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  written.forEach(({ code }, index) => {
    writeFileSync(join(directory, `snippet${String(index)}.ts`), code);
  });
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions: {
      noUnusedLocals: false,
      rootDir: ".",
      outDir: "out",
      declaration: false,
      declarationMap: false,
    },
    include: ["*.ts"],
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  await run(join(root, "node_modules/.bin/tsc"), ["-p", directory]).catch((error: { stdout: string }) => {
    assert.fail(error.stdout);
  });
});

test("the README has snippets", () => {
  assert.ok(written.length >= 7);
});

written.forEach(({ title, runs }, index) => {
  test(`README, ${title}`, { skip: runs ? false : "it needs a server of its own" }, async () => {
    await run(process.execPath, [join(directory, "out", `snippet${String(index)}.js`)], { timeout: 60_000 });
  });
});
