"""The language models that the settings offer: by name, bounded, with what was set for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from mnemon_service.app.embedders import SettingsWrong
from mnemon_service.app.language_models import MODELS_KEPT, ConfiguredLanguageModels
from mnemon_service.model.errors import FailedPrecondition, Reason
from mnemon_service.providers.llm import LanguageModel, StructuredRequest, Turn
from mnemon_service.settings import Settings
from support.provider_servers.llm_openai import openai_llm_server
from support.provider_servers.llm_script import KEY, Asked, Reply
from support.provider_servers.server import ProviderServer

REQUEST = StructuredRequest(
    system="Be exact.",
    turns=(Turn("Hello"),),
    schema={
        "type": "object",
        "properties": {"said": {"type": "string"}},
        "required": ["said"],
        "additionalProperties": False,
    },
    schema_name="said",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def asked() -> list[Asked]:
    return []


@pytest.fixture
def server(asked: list[Asked]) -> Iterator[ProviderServer]:
    def script(one: Asked) -> Reply:
        asked.append(one)
        return Reply('{"said": "hello"}')

    with openai_llm_server(script) as running:
        yield running


def settings_for(server: ProviderServer, **settings: Any) -> Settings:
    given: dict[str, Any] = {"openai_base_url": f"{server.url}/v1", "openai_api_key": KEY, **settings}
    return Settings(**given)


async def says_hello(model: LanguageModel | None) -> bool:
    assert model is not None
    return (await model.generate(REQUEST)).value == {"said": "hello"}


async def test_each_model_is_asked_as_it_was_set(server: ProviderServer, asked: list[Asked]) -> None:
    set_for = {"openai/a": {"stream": True, "reasoning_effort": "low"}, "openai/b": {"temperature": 0.5}}
    models = ConfiguredLanguageModels(settings_for(server, language_models=set_for))
    models.check()
    for name in ("openai/a", "openai/b", "openai/c"):
        assert await says_hello(models.get(name))
    await models.close()
    assert [(one.model, one.streamed, dict(one.thinking), one.temperature) for one in asked] == [
        ("a", True, {"reasoning_effort": "low"}, None),
        ("b", False, {}, 0.5),
        ("c", False, {}, None),
    ]


async def test_names_tried_do_not_pile_up_and_who_holds_a_model_keeps_it(server: ProviderServer) -> None:
    models = ConfiguredLanguageModels(settings_for(server))
    held = [models.get("openai/held"), models.get("openai/used")]
    for number in range(3 * MODELS_KEPT):
        models.get(f"openai/tried-{number}")
        models.get("openai/used")
    assert len(models) == MODELS_KEPT
    assert models.get("openai/used") is held[1]
    assert models.get("openai/held") is not held[0], "it was let go, and made anew"
    assert [await says_hello(model) for model in (*held, models.get("openai/held"))] == [True] * 3
    await models.close()


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("gpt-5-mini", "name it provider/model"),
        ("openai/", "name it provider/model"),
        ("gemini/../../v1/files", "name it provider/model"),
        ("openai/a?b=c", "name it provider/model"),
        ("olama/x", "none of openai, azure, gemini, anthropic, compatible, groq"),
        ("gemini/x", "set GEMINI_API_KEY"),
        ("azure/x", "set MNEMON_AZURE_ENDPOINT"),
        ("compatible/x", "set MNEMON_COMPATIBLE_BASE_URL"),
    ],
)
def test_a_model_that_cannot_be_says_why(server: ProviderServer, name: str, because: str) -> None:
    models = ConfiguredLanguageModels(settings_for(server))
    with pytest.raises(FailedPrecondition, match="is not configured on this server") as raised:
        models.get(name)
    assert raised.value.reason is Reason.PROVIDER_NOT_CONFIGURED
    assert because in raised.value.message
    assert len(models) == 0


@pytest.mark.parametrize(
    ("name", "settings", "because"),
    [
        ("openai/a", {"thinking_budget": 1000}, "set reasoning_effort"),
        ("opanai/a", {"stream": True}, "none of openai"),
    ],
)
def test_settings_that_no_model_can_follow_are_told_at_the_start(
    server: ProviderServer, name: str, settings: dict[str, Any], because: str
) -> None:
    models = ConfiguredLanguageModels(settings_for(server, language_models={name: settings}))
    with pytest.raises(SettingsWrong, match=because):
        models.check()


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 3},
        {"thinking_budget": -2},
        {"reasoning_effort": "huge"},
        {"stream": "perhaps"},
        {"streaming": True},
    ],
)
def test_values_out_of_bounds_and_unknown_names_are_refused(settings: dict[str, Any]) -> None:
    given: dict[str, Any] = {"language_models": {"openai/a": settings}}
    with pytest.raises(ValidationError):
        Settings(**given)
