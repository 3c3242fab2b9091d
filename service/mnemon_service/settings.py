"""Every setting of the server, typed, with its default and its environment variable.

The name in capitals behind `MNEMON_` is the variable: `data_dir` is `MNEMON_DATA_DIR`. A TOML file named
by `MNEMON_CONFIG_FILE` or `--config` holds the same names in lower case; the environment goes before it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mnemon_service.model.language_model import LanguageModelSettings

SearchWeight = Literal[
    "semantic", "keyword", "entity", "time", "speaker", "recency", "message", "neighbour", "session"
]


class Settings(BaseSettings):
    """The effective settings of one server process."""

    model_config = SettingsConfigDict(env_prefix="MNEMON_", extra="forbid", frozen=True)

    address: str = Field("127.0.0.1:7171", description="Host and port to serve on; port 0 takes a free one.")
    auth: Literal["on", "off"] = Field(
        "on", description="off lets everybody in as root of the default project; loopback addresses only."
    )
    allow_plaintext: bool = Field(
        False, description="Serve without TLS beyond loopback, where a mesh or proxy encrypts."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM chain of the server; read again when it changes, without a restart."
    )
    tls_key_file: Path | None = Field(None, description="PEM private key of the certificate.")
    tls_client_ca_file: Path | None = Field(
        None, description="PEM of the authorities whose client certificates are required (mTLS)."
    )
    tls_callers: dict[str, str] = Field(
        {},
        description="Callers by the name in their certificate, without a key: JSON, as "
        '{"spiffe://cluster.local/ns/shop/sa/agent": "writer@default"}; or root.',
    )
    project_requests_per_second: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Of a project whose settings do not say; no bound if empty."
    )
    project_concurrent_calls: Annotated[int, Field(ge=0)] | None = Field(
        500, description="Unary calls at once, as above."
    )
    project_concurrent_streams: Annotated[int, Field(ge=0)] | None = Field(
        500, description="Streams at once, as above."
    )
    project_adds_per_day: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Adds a day (UTC), as above; for all replicas together."
    )
    project_tokens_per_day: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Tokens of model providers a day (UTC), as above; for all replicas together."
    )
    project_memories_stored: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Memories stored at once, as above; for all replicas together."
    )
    maximum_calls: Annotated[int, Field(ge=1)] = Field(
        2_000, description="Calls and streams of all projects at once in one process."
    )
    maximum_connections: Annotated[int, Field(ge=1)] = Field(
        10_000,
        description="Connections to one process; more are closed. Fewer if the system lets the process "
        "open fewer files.",
    )
    data_dir: Path = Field(
        Path(".mnemon"),
        description="Directory of the database, the index, the model cache and the first keys.",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="postgresql://user:password@host/name; empty for SQLite in the data directory.",
    )
    index_uri: SecretStr = Field(
        SecretStr(""), description="Address of a Milvus server or Zilliz Cloud; empty for Milvus Lite."
    )
    index_token: SecretStr = Field(SecretStr(""), description="Token, or user:password, for index_uri.")
    index_name: str = Field("mnemon", description="Prefix of the collections on a shared Milvus server.")

    embedding_provider: Literal[
        "local",
        "openai",
        "azure",
        "gemini",
        "ollama",
        "huggingface",
        "sentence-transformers",
        "compatible",
        "none",
    ] = Field("local", description="Who embeds; none leaves keyword search only.")
    embedding_model: str = Field("", description="The provider's model; its default if empty.")
    embedding_model_dir: Path | None = Field(
        None, description="Folder with model.onnx and tokenizer.json, instead of the built-in local model."
    )
    embedding_dimension: Annotated[int, Field(ge=0, le=32768)] = Field(
        0, description="Dimensions of remote embeddings; the model's default if 0."
    )
    embedding_base_url: str = Field(
        "", description="Address of the embedding service, where it has no default."
    )
    embedding_precision: Literal["int8", "fp32"] = Field("int8", description="Of the local model's weights.")
    embedding_threads: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Runs of the local model at once."
    )
    embedding_cache_entries: Annotated[int, Field(ge=0)] = Field(
        10_000, description="Vectors kept in memory by text (1.5 KB each at 384 dimensions)."
    )

    extraction_model: str = Field(
        "none",
        description="Language model that extracts facts, as gemini/gemini-3-flash or openai/gpt-5-mini; "
        "none for the deterministic extractor.",
    )
    language_models: dict[str, LanguageModelSettings] = Field(
        {},
        description="How single models are asked, by name: JSON, as "
        '{"openai/gpt-5-mini": {"reasoning_effort": "low"}, "ollama/qwen3": {"stream": true}}; '
        "sees_images, temperature, reasoning_effort, thinking_budget, stream (for proxies that cut idle "
        "connections and slow local models: provider_timeout then counts between two parts of an answer).",
    )
    openai_base_url: str = Field("", description="Another address of OpenAI's own service, as a gateway.")
    gemini_base_url: str = Field("", description="Another address of Gemini's own service.")
    anthropic_base_url: str = Field("", description="Another address of Anthropic's own service.")
    compatible_base_url: str = Field(
        "", description="Address of an OpenAI-compatible service, up to and with /v1; a preset's if empty."
    )
    provider_timeout: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Seconds one try at a provider may take; of a streamed answer, each part."
    )
    provider_attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        4, description="Tries at a provider, the first included."
    )
    provider_concurrency: Annotated[int, Field(ge=1)] = Field(
        16, description="Calls in flight to one provider."
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Also read from OPENAI_API_KEY.")
    gemini_api_key: SecretStr = Field(
        SecretStr(""), description="Also read from GEMINI_API_KEY or GOOGLE_API_KEY."
    )
    anthropic_api_key: SecretStr = Field(SecretStr(""), description="Also read from ANTHROPIC_API_KEY.")
    azure_api_key: SecretStr = Field(SecretStr(""), description="Also read from AZURE_OPENAI_API_KEY.")
    azure_endpoint: str = Field("", description="Also read from AZURE_OPENAI_ENDPOINT.")
    huggingface_api_key: SecretStr = Field(SecretStr(""), description="Also read from HF_TOKEN.")
    compatible_api_key: SecretStr = Field(SecretStr(""), description="Key of the OpenAI-compatible service.")

    secrets_key: SecretStr = Field(
        SecretStr(""),
        description="Seals webhooks' signing secrets in the database: 32 bytes in base64; several, with "
        "commas between, to replace one (the first seals, all open). On SQLite keys/secrets.key if empty.",
    )
    webhook_allow_http: bool = Field(
        False, description="Let webhooks have http:// addresses; https:// only otherwise."
    )
    webhook_allow_private_addresses: bool = Field(
        False,
        description="Let webhooks call loopback, private and link-local addresses; whoever may make a "
        "webhook then reaches this server's network.",
    )
    webhook_attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        8, description="Tries of a webhook's delivery before it is set aside."
    )
    webhook_first_retry_seconds: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Before the second try; four times as long before each further one, to 6 hours."
    )

    reranker: str = Field(
        "none", description="none, cohere/<model>, llm/<provider>/<model>, or onnx for a local cross-encoder."
    )
    reranker_seconds: Annotated[float, Field(gt=0)] = Field(
        3.0, description="How long a search waits for the reranker before the fused order stands."
    )
    reranker_model_dir: Path | None = Field(
        None, description="Folder with model.onnx and tokenizer.json of a cross-encoder."
    )
    cohere_url: str = Field("", description="Another address that speaks Cohere's rerank protocol.")
    cohere_api_key: SecretStr = Field(SecretStr(""), description="Also read from COHERE_API_KEY.")
    search_views: bool = Field(
        True, description="Keep the memories of searched scopes in memory; false asks the index each time."
    )
    search_view_megabytes: Annotated[int, Field(ge=1)] = Field(
        128, description="Memory for all of them; the least recently searched scope goes first."
    )
    search_weights: dict[SearchWeight, Annotated[float, Field(ge=0, le=10)]] = Field(
        {},
        description='Weights of a hybrid search that differ from the defaults: {"keyword": 1.2, "time": 0}. '
        "Thresholds then mean something else.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: readable on a terminal, JSON lines elsewhere."
    )
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        10.0, description="How long running calls may take to end when the server stops."
    )
    maximum_message_bytes: Annotated[int, Field(ge=65_536)] = Field(
        16 * 1024 * 1024, description="Largest request or answer."
    )
    maximum_metadata_bytes: Annotated[int, Field(ge=1024)] = Field(
        16 * 1024, description="Largest metadata of a call."
    )
    keepalive_seconds: Annotated[float, Field(ge=1)] = Field(
        60.0, description="A connection that is quiet for so long is asked whether anybody is there."
    )
    keepalive_timeout_seconds: Annotated[float, Field(ge=1)] = Field(
        20.0, description="It is dropped, with its streams, if nobody answers within this."
    )
    maximum_connection_age_seconds: Annotated[float, Field(ge=0)] = Field(
        0.0, description="After this long a connection is closed gracefully, so that load spreads; 0 never."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        file = os.environ.get("MNEMON_CONFIG_FILE")
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)

    @property
    def uses_postgresql(self) -> bool:
        """Whether the record lies in PostgreSQL, where other processes may share it."""
        return bool(self.database_url.get_secret_value())

    def secret(self, name: str, *variables: str) -> str:
        """The secret of a setting, or else of the first of these environment variables that is set."""
        value: SecretStr = getattr(self, name)
        if value.get_secret_value():
            return value.get_secret_value()
        return next((os.environ[variable] for variable in variables if os.environ.get(variable)), "")

    def shown(self) -> dict[str, object]:
        """All settings for people, secrets masked."""
        return {name: value if not isinstance(value, SecretStr) else str(value) for name, value in self}
