/**
 * Runs the agent of clients/examples/node-agent against the server at MNEMON_ADDRESS.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

/** The agent's output for these lines of the user. */
function talk(folder: string, user: string, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const environment = { ...process.env, OPENAI_API_KEY: "" };
    const options = { cwd: folder, timeout: 60_000, env: environment };
    const agent = execFile(process.execPath, ["agent.mjs", user], options, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr, { cause: error }));
      else resolve(stdout);
    });
    agent.stdin?.end(lines.map((line) => `${line}\n`).join(""));
  });
}

test("the example agent remembers from one conversation to the next, and only its own user", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mnemon-agent-"));
  t.after(() => {
    rmSync(folder, { recursive: true });
  });
  cpSync(resolve(root, "../../clients/examples/node-agent"), folder, { recursive: true });
  mkdirSync(join(folder, "node_modules", "@mnemon"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules", "@mnemon", "client"));
  const user = `ana-${randomBytes(4).toString("hex")}`;
  await talk(folder, user, ["My sister Rita lives in Lisbon."]);
  const second = await talk(folder, user, ["Where does my sister live?"]);
  assert.match(second, /Lisbon/);
  const other = await talk(folder, `${user}-other`, ["Where does my sister live?"]);
  assert.doesNotMatch(other, /Lisbon/);
});
