"""What the AdminService needs from the rest of the house, put together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from mnemon_service import __version__
from mnemon_service.admin.care_rpcs import IndexCare, IndexRebuilder
from mnemon_service.admin.entity_rpcs import EntityDeleter
from mnemon_service.admin.ports import ModelFacts, ServerFacts
from mnemon_service.admin.project_erasure import ProjectEraser
from mnemon_service.admin.secret_box import SecretBox
from mnemon_service.admin.subject_erasure import SubjectEraser
from mnemon_service.admin.webhook_delivery import RetrySchedule, WebhookDeliverer
from mnemon_service.admin.webhook_sender import SenderOptions, WebhookSender
from mnemon_service.app.embedders import EmbedderChoice
from mnemon_service.app.indexing import IndexApplier
from mnemon_service.record.record import Record
from mnemon_service.record.worker import Handler
from mnemon_service.search.views import Views
from mnemon_service.settings import Settings
from mnemon_service.wire.operations import DELETE_ENTITY, DELETE_PROJECT, ERASE_SUBJECT, REBUILD_INDEX


class ErasedCaches:
    """Implements `admin.ports.Forgetting` over everything in this process that remembers projects.

    Other replicas hear of erased memories by the log, as of every change.
    """

    def __init__(self, record: Record, views: Views, applier: IndexApplier) -> None:
        self._record = record
        self._views = views
        self._applier = applier

    def content_erased(self, project_id: str) -> None:
        """Drops the memories that searches keep at hand."""
        self._views.forget(project_id)

    def project_deleted(self, project_id: str) -> None:
        """Drops those, and every place in the project's log."""
        self._views.forget(project_id)
        self._applier.forget(project_id)
        self._record.signal.forget(project_id)


def admin_handlers(
    record: Record, care: IndexCare, applier: IndexApplier, caches: ErasedCaches
) -> Mapping[str, Handler]:
    """Who does the AdminService's operations."""
    return {
        REBUILD_INDEX: IndexRebuilder(care.follower),
        DELETE_ENTITY: EntityDeleter(record, applier),
        ERASE_SUBJECT: SubjectEraser(record, care.follower, applier, caches),
        DELETE_PROJECT: ProjectEraser(record, care.follower, caches),
    }


def webhook_delivery(
    record: Record, settings: Settings, box: SecretBox
) -> tuple[WebhookSender, WebhookDeliverer]:
    """The way out, and who uses it; `box` opens the webhooks' secrets."""
    options = SenderOptions(settings.webhook_allow_http, settings.webhook_allow_private_addresses)
    sender = WebhookSender(options, secrets=box)
    schedule = RetrySchedule(settings.webhook_attempts, settings.webhook_first_retry_seconds)
    return sender, WebhookDeliverer(record, sender, schedule)


def server_facts(settings: Settings, choice: EmbedderChoice) -> ServerFacts:
    """What GetServerInfo says of this process; called when it begins to serve."""
    warnings = []
    if choice.embedder is None:
        warnings.append("no embedding model is loaded: searches go by words alone")
    if settings.auth == "off":
        warnings.append("authentication is off")
    return ServerFacts(
        version=__version__,
        database="postgresql" if settings.uses_postgresql else "sqlite",
        embedding=_embedding(choice),
        start_time=datetime.now(UTC),
        warnings=tuple(warnings),
    )


def _embedding(choice: EmbedderChoice) -> ModelFacts:
    if choice.embedder is None:
        detail = choice.unavailable or "no embedding model is configured"
        return ModelFacts(choice.provider, choice.model, available=False, detail=detail)
    model = choice.model.removeprefix(f"{choice.provider}/")
    return ModelFacts(choice.provider, model, choice.embedder.dimension)
