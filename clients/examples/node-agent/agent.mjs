/**
 * An agent that remembers its user from one conversation to the next.
 *
 * Each turn: recall what is known about what the user says, answer with it, remember the turn. The
 * answers come from any model with OpenAI's chat API (`OPENAI_API_KEY`, `OPENAI_BASE_URL`,
 * `OPENAI_MODEL`); without a key the agent says what it remembers.
 *
 *     mnemon-service serve        # in another terminal
 *     npm install && npm start -- ana
 */
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { MnemonClient } from "@mnemon/client";

const TURNS_IN_PROMPT = 20;

const memory = new MnemonClient();
const scope = { userId: process.argv[2] ?? "me", agentId: "node-agent", runId: randomUUID() };
const conversation = [];

/** The agent's answer to what the user said. */
async function turn(said) {
  // From all of the user's conversations, not only this one: no agent, no run.
  const recalled = await memory.buildContext(said, { userId: scope.userId, tokenBudget: 600 });
  conversation.push({ role: "user", content: said });
  const answer = await complete(recalled.text, conversation.slice(-TURNS_IN_PROMPT));
  conversation.push({ role: "assistant", content: answer });
  await memory.add(conversation.slice(-2), scope);
  return answer;
}

/** A model's answer, or without a model what is remembered. */
async function complete(recalled, messages) {
  const { OPENAI_API_KEY, OPENAI_BASE_URL = "https://api.openai.com/v1", OPENAI_MODEL = "gpt-5-mini" } = process.env;
  if (!OPENAI_API_KEY) return recalled === "" ? "I know nothing about that yet." : `I remember:\n${recalled}`;
  const instructions = `You are a helpful companion. What you remember of the user:\n${recalled}`;
  const response = await fetch(`${OPENAI_BASE_URL}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${OPENAI_API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: OPENAI_MODEL,
      messages: [{ role: "system", content: instructions }, ...messages],
    }),
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(`the model answered ${response.status}`);
  const { choices } = await response.json();
  return choices[0].message.content;
}

const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: process.stdin.isTTY });
lines.setPrompt("> ");
lines.prompt();
for await (const line of lines) {
  if (line.trim() !== "") console.log(await turn(line));
  lines.prompt();
}
memory.close();
