"""An agent that remembers: each turn recalls what is known, answers, and keeps what was said.

    python python_agent_loop.py --user-id ana "I moved to Lisbon." "Where do I live?"

Without arguments it talks in the terminal. With `OPENAI_API_KEY` (and `OPENAI_BASE_URL` for any compatible
provider, `OPENAI_MODEL` for its model) a language model answers; without, the agent says what it recalls.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator

from mnemon import BuildContextResponse, Client, Message

INSTRUCTIONS = "You are a helpful assistant. Use what you remember of the user where it helps."


def answer(question: str, recalled: BuildContextResponse) -> str:
    """What the agent says: a model's words, or what was recalled if there is no model."""
    if not os.environ.get("OPENAI_API_KEY"):
        return recalled.text.strip() or "I know nothing of that yet."
    from openai import OpenAI  # only needed with a provider

    completion = OpenAI().chat.completions.create(
        model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"),
        messages=[
            {"role": "system", "content": f"{INSTRUCTIONS}\n\n{recalled.text}"},
            {"role": "user", "content": question},
        ],
        max_completion_tokens=2000,
    )
    return completion.choices[0].message.content or ""


def turn(client: Client, user_id: str, run_id: str, said: str) -> str:
    """One turn of the conversation: recall, answer, remember."""
    recalled = client.build_context(said, user_id=user_id, token_budget=500)
    reply = answer(said, recalled)
    # The recalled text is marked as such, so that it is not remembered again.
    conversation: list[Message | dict[str, str] | str] = [
        {"role": "user", "content": said},
        {"role": "assistant", "content": reply},
    ]
    if recalled.citations:
        conversation.insert(0, recalled.as_message())
    client.add(conversation, user_id=user_id, run_id=run_id)
    return reply


def lines_from_terminal() -> Iterator[str]:
    """What the person types, until an empty line."""
    while said := input("you> ").strip():
        yield said


def main(arguments: list[str]) -> None:
    """Talks until there is nothing more to say."""
    parser = argparse.ArgumentParser(description="An agent that remembers.")
    parser.add_argument("--user-id", default="me")
    parser.add_argument("--run-id", default="session-1")
    parser.add_argument("said", nargs="*", help="what the person says; asked for if left out")
    given = parser.parse_args(arguments)
    said: Iterable[str] = given.said or lines_from_terminal()
    with Client() as client:
        for line in said:
            print(f"agent> {turn(client, given.user_id, given.run_id, line)}")


if __name__ == "__main__":
    main(sys.argv[1:])
