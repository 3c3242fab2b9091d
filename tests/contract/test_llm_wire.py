"""Every language model against a double of its provider, over real HTTP, in good and bad weather."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from mnemon_service.model.errors import (
    FailedPrecondition,
    MnemonError,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from mnemon_service.model.language_model import PROVIDER_DEFAULTS, LanguageModelSettings
from mnemon_service.model.message import Image
from mnemon_service.providers.llm import Finish, Repair, Speaker, StructuredRequest, Turn
from mnemon_service.providers.llm_presets import PRESETS, StructuredMethod
from mnemon_service.providers.openai_llm import compatible_model, openai_model
from mnemon_service.providers.remote_llm import RemoteLanguageModel
from mnemon_service.providers.retry import ProviderGuard
from support.embedders import Pauses, guard_for
from support.language_models import KEY, KINDS, MODEL, Kind, Mind, language_model_servers
from support.provider_servers.llm_gemini import gemini_llm_error
from support.provider_servers.llm_openai import openai_llm_server
from support.provider_servers.llm_script import SECRET_WORDS, Reply
from support.provider_servers.server import Fault, ProviderServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "names": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
                "required": ["name", "age"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["names"],
    "additionalProperties": False,
}
VALUE = {"names": [{"name": "Ana", "age": 7}, {"name": "Zoë 日", "age": None}]}
SAID = Reply(json.dumps(VALUE, ensure_ascii=False))
REQUEST = StructuredRequest(
    system="Be exact.",
    turns=(Turn("Who is there?"), Turn("Whom do you mean?", Speaker.ASSISTANT), Turn("All.")),
    schema=SCHEMA,
    schema_name="names_v1",
    maximum_output_tokens=321,
)


SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"openai": {}, "gemini": {}, "anthropic": {}}),
    (
        {"temperature": 0.5},
        {"openai": {"temperature": 0.5}, "gemini": {"temperature": 0.5}, "anthropic": "no temperature"},
    ),
    (
        {"reasoning_effort": "low"},
        {
            "openai": {"reasoning_effort": "low"},
            "gemini": {"thinkingLevel": "LOW"},
            "anthropic": {"effort": "low"},
        },
    ),
    (
        {"reasoning_effort": "none"},
        {"openai": {"reasoning_effort": "none"}, "gemini": "is one of minimal", "anthropic": "is one of low"},
    ),
    (
        {"thinking_budget": 2000},
        {
            "openai": "set reasoning_effort",
            "gemini": {"thinkingBudget": 2000, "limit": 2321},
            "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "limit": 2321},
        },
    ),
    (
        {"thinking_budget": 0},
        {
            "openai": "set reasoning_effort",
            "gemini": {"thinkingBudget": 0},
            "anthropic": {"thinking": {"type": "disabled"}},
        },
    ),
    (
        {"thinking_budget": -1},
        {
            "openai": "set reasoning_effort",
            "gemini": {"thinkingBudget": -1},
            "anthropic": "0, or 1024 or more",
        },
    ),
]
"""What is set, and what each protocol then says, or why it cannot."""


@pytest.fixture(scope="module")
def mind() -> Mind:
    return Mind()


@pytest.fixture(scope="module")
def servers(mind: Mind) -> Iterator[dict[str, ProviderServer]]:
    with language_model_servers(mind) as running:
        yield running


@dataclass
class Subject:
    """A model, the double it speaks to, and what it would have slept."""

    kind: Kind
    server: ProviderServer
    model: RemoteLanguageModel
    pauses: Pauses
    mind: Mind
    settings: LanguageModelSettings

    def build(self, key: str = KEY, *, timeout: float = 10, **settings: Any) -> RemoteLanguageModel:
        """Another one with connections of its own."""
        guard = guard_for(self.kind.name, self.pauses, timeout=timeout)
        return self.kind.build(self.server.url, key, guard, replace(self.settings, **settings))

    @property
    def keeps_text(self) -> bool:
        """Whether the model's words arrive as they are; of a stream they do everywhere."""
        return self.kind.keeps_text or self.settings.stream


STREAMS = [kind for kind in KINDS if kind.name not in ("azure", "vllm", "json-object")]
"""One of each way to stream; these three stream as OpenAI does."""
SUBJECTS = [*((kind, False) for kind in KINDS), *((kind, True) for kind in STREAMS)]
Subjects = dict[tuple[str, bool], Subject]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def subjects(servers: dict[str, ProviderServer], mind: Mind) -> AsyncIterator[Subjects]:
    """All of them, built once: a client reads the system's certificates, which takes a tenth of a second."""
    built: Subjects = {}
    streaming = LanguageModelSettings(stream=True)
    for kind in KINDS:
        server, pauses = servers[kind.name], Pauses()
        whole = kind.build(server.url, KEY, guard_for(kind.name, pauses), PROVIDER_DEFAULTS)
        streamed = whole.sibling(MODEL, streaming)
        built[kind.name, False] = Subject(kind, server, whole, pauses, mind, PROVIDER_DEFAULTS)
        built[kind.name, True] = Subject(kind, server, streamed, pauses, mind, streaming)
    yield built
    for kind in KINDS:
        await built[kind.name, False].model.close()


def ready(subject: Subject) -> Subject:
    subject.server.seen.clear()
    subject.pauses.seconds.clear()
    subject.mind.reply = SAID
    subject.mind.asked.clear()
    return subject


@pytest.fixture(params=SUBJECTS, ids=lambda pair: pair[0].name + ("-streamed" if pair[1] else ""))
def subject(request: pytest.FixtureRequest, subjects: Subjects) -> Iterator[Subject]:
    kind, streamed = request.param
    chosen = ready(subjects[kind.name, streamed])
    yield chosen
    chosen.server.forget()


@pytest.fixture(params=STREAMS, ids=lambda kind: kind.name)
def streamed(request: pytest.FixtureRequest, subjects: Subjects) -> Iterator[Subject]:
    """Those that stream."""
    chosen = ready(subjects[request.param.name, True])
    yield chosen
    chosen.server.forget()


def safe(error: MnemonError, subject: Subject) -> bool:
    """Whether an error names the provider and nothing that must not be seen."""
    shown = f"{error.message} {error.metadata}"
    return subject.kind.name in shown and not any(
        word in shown for word in (KEY, SECRET_WORDS, "127.0.0.1", "http://", "Who is there")
    )


async def test_a_structured_answer_arrives_with_its_cost(subject: Subject) -> None:
    answer = await subject.model.generate(REQUEST)
    assert answer.value == VALUE
    assert (answer.finish, answer.repairs, answer.dropped) == (Finish.STOP, frozenset(), 0)
    usage = answer.usage
    assert f"{usage.provider}/{usage.model}" == subject.model.name == f"{subject.kind.name}/{MODEL}"
    assert (usage.calls, usage.failed_calls, usage.input_tokens, usage.output_tokens) == (1, 0, 11, 7)
    assert usage.milliseconds > 0


async def test_the_request_says_it_all_in_the_provider_s_words(subject: Subject) -> None:
    await subject.model.generate(replace(REQUEST, temperature=0.25))
    (asked,) = subject.mind.asked
    assert asked.model == MODEL
    assert asked.system.startswith("Be exact.")
    assert [(turn.role, turn.text) for turn in asked.turns] == [
        ("user", "Who is there?"),
        ("assistant", "Whom do you mean?"),
        ("user", "All."),
    ]
    assert asked.maximum_tokens == 321
    assert asked.streamed == subject.settings.stream
    assert asked.temperature == (0.25 if subject.kind.takes_temperature else None)
    if subject.kind.schema_arrives:
        assert asked.schema == SCHEMA
    else:
        assert json.dumps(SCHEMA) in asked.system


async def test_only_the_key_given_is_sent_whatever_the_environment_holds(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        *("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY"),
        *("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        *("ANTHROPIC_BASE_URL", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:9/leak")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    model = subject.build()
    assert (await model.generate(REQUEST)).value == VALUE
    await model.close()
    (seen,) = subject.server.seen
    assert "leak" not in str(seen)
    assert not {"openai-organization", "openai-project"} & seen.headers.keys()
    assert KEY not in seen.path + str(seen.query)


async def test_images_arrive_as_bytes_or_by_address(subject: Subject) -> None:
    images = (Image("image/png", b"\xfb\xff\xfe", ""), Image("image/jpeg", b"", "https://example.org/a.jpg"))
    seeing = subject.model.sibling(MODEL, replace(subject.settings, sees_images=True))
    await seeing.generate(replace(REQUEST, turns=(Turn("Look", images=images),)))
    (turn,) = subject.mind.asked[0].turns
    assert turn.text == "Look"
    assert turn.images == ("image/png;base64,+//+", "https://example.org/a.jpg")


async def test_a_model_that_sees_no_images_is_sent_none(subject: Subject) -> None:
    blind = subject.build(sees_images=False)
    assert not blind.sees_images
    await blind.generate(replace(REQUEST, turns=(Turn("Look", images=(Image("image/png", b"1"),)),)))
    assert subject.mind.asked[0].turns[0].images == ()
    await blind.close()


async def test_of_a_cut_answer_what_is_complete_is_kept(subject: Subject) -> None:
    subject.mind.reply = replace(SAID, text=SAID.text[: SAID.text.index("Zoë")], finish="length")
    answer = await subject.model.generate(REQUEST)
    assert answer.finish is Finish.LENGTH
    if subject.keeps_text:
        assert answer.value == {"names": [{"name": "Ana", "age": 7}]}
        assert answer.repairs == {Repair.CUT}
    else:
        assert answer.value is None


async def test_fences_and_chatter_are_taken_off(subject: Subject) -> None:
    subject.mind.reply = replace(SAID, text=f"Sure:\n```json\n{SAID.text}\n```")
    answer = await subject.model.generate(REQUEST)
    if subject.keeps_text:
        assert answer.value == VALUE
        assert answer.repairs == {Repair.FENCE, Repair.CHATTER}
    else:
        assert answer.value is None


async def test_an_empty_answer_is_none_and_not_an_empty_object(subject: Subject) -> None:
    subject.mind.reply = replace(SAID, text="")
    answer = await subject.model.generate(REQUEST)
    assert (answer.value, answer.usage.output_tokens) == (None, 7)


@pytest.mark.parametrize("finish", ["refusal", "filtered", "blocked"])
async def test_a_model_that_declines_says_so(subject: Subject, finish: str) -> None:
    subject.mind.reply = Reply("I would rather not", finish)
    answer = await subject.model.generate(REQUEST)
    assert answer.value is None
    if subject.kind.name == "gemini" and finish == "refusal":
        assert answer.finish is Finish.STOP, "Gemini has no refusals: its model says no in plain words"
    else:
        assert answer.finish in (Finish.REFUSAL, Finish.FILTERED)


async def test_a_prompt_longer_than_the_window_is_a_matter_of_length(subject: Subject) -> None:
    subject.server.next(Fault(status=400, body=subject.kind.too_long))
    answer = await subject.model.generate(REQUEST)
    assert (answer.value, answer.finish) == (None, Finish.LENGTH)


async def test_a_wrong_key_is_told_at_once_and_without_secrets(subject: Subject) -> None:
    wrong = subject.build(f"{KEY}-wrong")
    with pytest.raises(FailedPrecondition) as raised:
        await wrong.generate(REQUEST)
    await wrong.close()
    assert raised.value.reason is Reason.PROVIDER_CREDENTIALS
    assert len(subject.server.seen) == 1
    assert safe(raised.value, subject)


async def test_a_rate_limit_is_waited_for_as_long_as_asked(subject: Subject) -> None:
    subject.server.next(Fault(status=429, headers={"Retry-After": "3"}))
    answer = await subject.model.generate(REQUEST)
    assert answer.value == VALUE
    assert (answer.usage.calls, answer.usage.failed_calls) == (2, 1)
    (waited,) = subject.pauses.seconds
    assert 3 <= waited <= 3.3


async def test_a_lasting_rate_limit_tells_the_caller_when_to_come_back(subject: Subject) -> None:
    subject.server.always(Fault(status=429, headers={"Retry-After": "2"}))
    with pytest.raises(ResourceExhausted) as raised:
        await subject.model.generate(REQUEST)
    assert raised.value.reason is Reason.PROVIDER_RATE_LIMITED
    assert (raised.value.retry_after, raised.value.metadata["failed_calls"]) == (2, "3")
    assert safe(raised.value, subject)


@pytest.mark.parametrize("status", [500, 503, 529])
async def test_a_server_fault_is_tried_again(subject: Subject, status: int) -> None:
    subject.server.next(Fault(status=status), Fault(status=status))
    answer = await subject.model.generate(REQUEST)
    assert answer.value == VALUE
    assert (answer.usage.calls, answer.usage.failed_calls) == (3, 2)
    assert len(subject.server.seen) == 3, "the SDK's own retries are off"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(reset=True),
        Fault(raw=b'{"id": "x", "choices": [{"mess'),
        Fault(raw=b""),
        Fault(raw=b"{}"),
        Fault(raw=b"[]"),
    ],
    ids=["reset", "cut", "empty", "bare", "list"],
)
async def test_a_broken_response_is_tried_again_and_then_an_error(subject: Subject, fault: Fault) -> None:
    subject.server.next(fault)
    answer = await subject.model.generate(REQUEST)
    assert (answer.value, answer.usage.calls) == (VALUE, 2)
    subject.server.always(fault)
    with pytest.raises(Unavailable) as raised:
        await subject.model.generate(REQUEST)
    assert raised.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert safe(raised.value, subject)


async def test_a_refused_request_is_not_sent_again(subject: Subject) -> None:
    subject.server.always(Fault(status=400))
    with pytest.raises(Unavailable) as raised:
        await subject.model.generate(REQUEST)
    assert len(subject.server.seen) == 1
    assert raised.value.retry_after is None
    assert safe(raised.value, subject)


async def test_a_slow_provider_is_left_at_the_request_s_own_time(subject: Subject) -> None:
    subject.server.always(Fault(hang=True))
    with pytest.raises(Unavailable) as raised:
        await subject.model.generate(replace(REQUEST, timeout=0.05))
    assert raised.value.metadata["failed_calls"] == "3"
    assert safe(raised.value, subject)


async def test_cancelling_the_call_ends_the_request(subject: Subject) -> None:
    subject.server.arrived.clear()
    subject.server.left.clear()
    subject.server.always(Fault(hang=True))
    call = asyncio.create_task(subject.model.generate(REQUEST))
    assert await asyncio.to_thread(subject.server.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(subject.server.left.wait, 5), "the connection was closed"
    assert len(subject.server.seen) == 1


# What happens on the way, once a stream has begun


async def test_an_answer_may_take_longer_than_the_timeout_if_its_parts_do_not(
    streamed: Subject,
) -> None:
    """Each part of this answer comes within the timeout, all together do not."""
    streamed.mind.reply = replace(SAID, seconds=0.6)
    model = streamed.build(timeout=0.4)
    answer = await model.generate(REQUEST)
    await model.close()
    assert (answer.value, answer.usage.calls) == (VALUE, 1)


@pytest.mark.parametrize("events", [1, 6, -2], ids=["beginning", "middle", "before the end"])
@pytest.mark.parametrize("how", ["reset", "end", "stall"])
async def test_a_stream_that_breaks_off_is_tried_again_and_then_an_error(
    streamed: Subject, how: str, events: int
) -> None:
    after = events if events > 0 else streamed.kind.events_before_the_end(SAID)
    model = streamed.build(timeout=0.3) if how == "stall" else streamed.model
    broken = Fault(after=after, hang=how == "stall", reset=how == "reset")
    streamed.server.next(broken)
    answer = await model.generate(REQUEST)
    assert (answer.value, answer.repairs) == (VALUE, frozenset()), "nothing of the broken one"
    assert (answer.usage.calls, answer.usage.failed_calls) == (2, 1)
    if how != "stall":
        streamed.server.always(broken)
        with pytest.raises(Unavailable) as raised:
            await model.generate(REQUEST)
        assert (raised.value.reason, raised.value.metadata["failed_calls"]) == (
            Reason.PROVIDER_UNAVAILABLE,
            "3",
        )
        assert safe(raised.value, streamed)
    if model is not streamed.model:
        await model.close()


async def test_what_a_broken_stream_had_cost_is_counted(streamed: Subject) -> None:
    read, wrote = streamed.kind.tokens_of_a_broken_stream
    streamed.server.next(Fault(after=4))
    usage = (await streamed.model.generate(REQUEST)).usage
    assert (usage.input_tokens, usage.output_tokens) == (11 + read, 7 + wrote)
    streamed.server.always(Fault(after=4))
    with pytest.raises(Unavailable) as raised:
        await streamed.model.generate(REQUEST)
    told = (raised.value.metadata.get("input_tokens", "0"), raised.value.metadata.get("output_tokens", "0"))
    assert told == (str(3 * read), str(3 * wrote))


async def test_a_stalled_stream_is_left_and_its_connection_closed(streamed: Subject) -> None:
    model = streamed.build(timeout=0.1)
    streamed.server.left.clear()
    streamed.server.always(Fault(after=3, hang=True))
    with pytest.raises(Unavailable) as raised:
        await model.generate(REQUEST)
    assert safe(raised.value, streamed)
    assert await asyncio.to_thread(streamed.server.left.wait, 5)
    await model.close()


async def test_streams_that_break_off_open_the_circuit(streamed: Subject) -> None:
    guard = ProviderGuard(
        streamed.kind.name,
        timeout=10,
        attempts=2,
        concurrency=1,
        breaker_failures=2,
        breaker_seconds=30,
        sleep=streamed.pauses,
    )
    model = streamed.kind.build(streamed.server.url, KEY, guard, streamed.settings)
    streamed.server.always(Fault(after=2))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await model.generate(REQUEST)
    await model.close()
    assert guard.is_paused
    assert len(streamed.server.seen) == 2, "the second call was not sent"


async def test_cancelling_a_stream_closes_its_connection(streamed: Subject) -> None:
    streamed.server.arrived.clear()
    streamed.server.left.clear()
    streamed.server.always(Fault(after=3, hang=True))
    call = asyncio.create_task(streamed.model.generate(REQUEST))
    assert await asyncio.to_thread(streamed.server.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(streamed.server.left.wait, 5)


async def test_an_error_inside_a_stream_is_tried_again(streamed: Subject) -> None:
    streamed.server.next(Fault(after=2, raw=streamed.kind.error_event(503)))
    answer = await streamed.model.generate(REQUEST)
    assert (answer.value, answer.usage.calls, answer.usage.failed_calls) == (VALUE, 2, 1)
    streamed.server.always(Fault(after=2, raw=streamed.kind.error_event(503)))
    with pytest.raises(Unavailable) as raised:
        await streamed.model.generate(REQUEST)
    assert safe(raised.value, streamed)


async def test_a_rate_limit_inside_a_stream_is_one(streamed: Subject) -> None:
    streamed.server.always(Fault(after=2, raw=streamed.kind.error_event(429)))
    with pytest.raises(ResourceExhausted) as raised:
        await streamed.model.generate(REQUEST)
    assert (raised.value.reason, raised.value.metadata["failed_calls"]) == (
        Reason.PROVIDER_RATE_LIMITED,
        "3",
    )
    assert safe(raised.value, streamed)


async def test_a_refusal_of_the_request_inside_a_stream_is_not_sent_again(streamed: Subject) -> None:
    streamed.server.always(Fault(after=2, raw=streamed.kind.error_event(400)))
    with pytest.raises(Unavailable) as raised:
        await streamed.model.generate(REQUEST)
    assert raised.value.metadata["failed_calls"] == "1"
    assert safe(raised.value, streamed)


# What may be set for a model


@pytest.mark.parametrize(("settings", "said"), SETTINGS)
async def test_what_is_set_is_sent_in_the_provider_s_words(
    subject: Subject, settings: dict[str, Any], said: dict[str, Any]
) -> None:
    model = subject.kind.protocol
    wanted = replace(subject.settings, **settings)
    if isinstance(said[model], str):
        with pytest.raises(ValueError, match=said[model]):
            subject.model.sibling(MODEL, wanted)
        return
    answer = await subject.model.sibling(MODEL, wanted).generate(REQUEST)
    (asked,) = subject.mind.asked
    assert answer.value == VALUE
    sent = {**asked.thinking, **({} if asked.temperature is None else {"temperature": asked.temperature})}
    sent |= {} if asked.maximum_tokens == 321 else {"limit": asked.maximum_tokens}
    preset = {"temperature": 0.0} if subject.kind.name == "vllm" else {}
    assert sent == {**preset, **said[model]}


async def test_a_request_s_own_temperature_goes_before_the_setting(subject: Subject) -> None:
    if subject.kind.takes_temperature:
        model = subject.model.sibling(MODEL, replace(subject.settings, temperature=0.5))
        await model.generate(replace(REQUEST, temperature=0.25))
        assert subject.mind.asked[0].temperature == 0.25


# What only some providers do


async def test_gemini_s_retry_delay_stands_in_the_body(
    servers: dict[str, ProviderServer], mind: Mind
) -> None:
    mind.reply = SAID
    pauses = Pauses()
    kind = next(kind for kind in KINDS if kind.name == "gemini")
    model = kind.build(servers["gemini"].url, KEY, guard_for("gemini", pauses), PROVIDER_DEFAULTS)
    servers["gemini"].next(Fault(status=429, body=gemini_llm_error(429, retry_delay="7.5s")))
    await model.generate(REQUEST)
    await model.close()
    assert 7.5 <= pauses.seconds[0] <= 8.25


@pytest.mark.parametrize(
    ("known", "asked_with"),
    [
        (["json_object"], ["json_schema", "json_object", "json_object"]),
        ([], ["json_schema", "json_object", "text", "text"]),
    ],
)
async def test_a_compatible_server_is_asked_in_the_strongest_way_it_knows(
    known: list[str], asked_with: list[str], mind: Mind
) -> None:
    mind.reply = SAID
    with openai_llm_server(mind, response_formats=known, limit="max_tokens") as server:
        model = compatible_model(
            model=MODEL, guard=guard_for("some", Pauses()), base_url=f"{server.url}/v1", api_key=KEY
        )
        first, second = await model.generate(REQUEST), await model.generate(REQUEST)
        await model.close()
    assert first.value == second.value == VALUE
    formats = [body.get("response_format", {"type": "text"})["type"] for body in server.bodies()]
    assert formats == asked_with


async def test_openai_itself_is_never_asked_in_a_weaker_way(mind: Mind) -> None:
    with openai_llm_server(mind, response_formats=["json_object"]) as server:
        model = openai_model(
            model=MODEL, api_key=KEY, guard=guard_for("openai", Pauses()), base_url=f"{server.url}/v1"
        )
        with pytest.raises(Unavailable):
            await model.generate(REQUEST)
        await model.close()
    assert len(server.seen) == 1


@pytest.mark.parametrize("preset", sorted(PRESETS))
async def test_presets_know_their_address_and_what_it_understands(preset: str) -> None:
    model = compatible_model(model=MODEL, guard=guard_for(preset, Pauses()), preset=preset)
    assert model.name == f"{preset}/{MODEL}"
    assert PRESETS[preset].method is StructuredMethod.JSON_SCHEMA
    await model.close()


async def test_a_compatible_model_needs_an_address() -> None:
    with pytest.raises(ValueError, match="preset or a base URL"):
        compatible_model(model=MODEL, guard=guard_for("some", Pauses()))
    with pytest.raises(ValueError, match="unknown preset 'olama'; known: groq, lm_studio"):
        compatible_model(model=MODEL, guard=guard_for("some", Pauses()), preset="olama")


async def test_a_server_without_a_key_is_asked_without_one_of_others(
    monkeypatch: pytest.MonkeyPatch, mind: Mind
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "leak")
    mind.reply = SAID
    with openai_llm_server(mind, limit="max_tokens") as server:
        model = compatible_model(
            model=MODEL, guard=guard_for("ollama", Pauses()), base_url=f"{server.url}/v1"
        )
        with pytest.raises(FailedPrecondition):
            await model.generate(REQUEST)
        await model.close()
    assert "leak" not in str(server.seen)
