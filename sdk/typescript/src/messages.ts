/**
 * Conversations, from the forms in which applications have them to the contract's messages.
 */
import { invalidField } from "./errors.js";
import type { MessageInput } from "./plain/types.js";

/** A part of a message's content as chat APIs write it; parts of other types are left out. */
export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image_url"; readonly image_url: string | { readonly url: string } }
  | { readonly type: string };

/** A message as chat APIs write it. Fields that mean nothing here (tool calls, refusals) are left out. */
export interface ChatMessage {
  /** `user`, `assistant`, `system`, `tool`; `developer` is system, `function` is tool. */
  readonly role: string;
  /** The words; a message without any (a model's bare tool call) is left out. */
  readonly content?: string | readonly ContentPart[] | null | undefined;
  /** The speaker's name. */
  readonly name?: string | undefined;
}

/** One message: what the user said as a string, the contract's form, or a chat API's. */
export type AnyMessage = string | MessageInput | ChatMessage;

/** A conversation, oldest message first, or one message. */
export type MessagesInput = AnyMessage | readonly AnyMessage[];

/** Roles that other systems write. */
const OTHER_ROLES: Readonly<Record<string, string>> = {
  DEVELOPER: "SYSTEM",
  FUNCTION: "TOOL",
  HUMAN: "USER",
  AI: "ASSISTANT",
};

const FIELDS = ["name", "observedTime", "recalled"] as const;

/** The messages in the contract's plain form. */
export function messagesOf(messages: MessagesInput): Record<string, unknown>[] {
  const list = Array.isArray(messages) ? (messages as readonly unknown[]) : [messages];
  return list.map(messageOf).filter((message) => message !== undefined);
}

function messageOf(message: unknown, index: number): Record<string, unknown> | undefined {
  if (typeof message === "string") return { role: "USER", content: message };
  if (typeof message !== "object" || message === null) {
    throw invalidField(`messages[${String(index)}]`, "must be a message or a string");
  }
  const given = message as Record<string, unknown>;
  const { text, images } = contentOf(given["content"], index);
  const all = [...images, ...((given["images"] as unknown[] | undefined) ?? [])];
  if (text === "" && all.length === 0) return undefined;
  const role = typeof given["role"] === "string" ? given["role"].toUpperCase() : "USER";
  const fields = Object.fromEntries(FIELDS.map((name) => [name, given[name]]));
  return { ...fields, role: OTHER_ROLES[role] ?? role, content: text, images: all };
}

function contentOf(content: unknown, index: number): { text: string; images: unknown[] } {
  if (content === undefined || content === null) return { text: "", images: [] };
  if (typeof content === "string") return { text: content, images: [] };
  if (!Array.isArray(content)) {
    throw invalidField(`messages[${String(index)}].content`, "must be a string or a list of parts");
  }
  const texts: string[] = [];
  const images: unknown[] = [];
  for (const part of content as Record<string, unknown>[]) {
    if (part["type"] === "text" && typeof part["text"] === "string") texts.push(part["text"]);
    if (part["type"] === "image_url") images.push(imageOf(part["image_url"]));
  }
  return { text: texts.join("\n"), images };
}

/** A picture by its https address, or its bytes out of a `data:` address. */
function imageOf(image: unknown): Record<string, unknown> {
  const url = typeof image === "object" && image !== null ? (image as { url?: unknown }).url : image;
  if (typeof url !== "string") throw invalidField("messages.images", "must have a url");
  const [, mediaType, base64] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  if (mediaType === undefined || base64 === undefined) return { uri: url };
  return { mediaType, data: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)) };
}
