"""One server process, wired: what it opens, in which order, and how it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from google.protobuf.descriptor import ServiceDescriptor

from mnemon.v1 import admin_service_pb2, memory_service_pb2, search_service_pb2
from mnemon_service.admin.care_rpcs import IndexCare
from mnemon_service.admin.secret_box import SecretBox
from mnemon_service.admin.servicer import AdminServicer
from mnemon_service.app.administration import ErasedCaches, admin_handlers, server_facts, webhook_delivery
from mnemon_service.app.door import (
    certificate_callers,
    check_door,
    limiter_of,
    shared_places_of,
    transport_credentials,
)
from mnemon_service.app.embedders import EmbedderChoice, build_embedder
from mnemon_service.app.first_keys import ensure_first_keys
from mnemon_service.app.in_process import ServedRpcs
from mnemon_service.app.index_choice import build_index, check_embedder, cursor_name, index_lease
from mnemon_service.app.index_lease import SharedIndexLease
from mnemon_service.app.indexing import IndexableLog, IndexApplier
from mnemon_service.app.instructions import write_instructions
from mnemon_service.app.language_models import ConfiguredLanguageModels
from mnemon_service.app.offline import CACHE_DIRECTORY, database_location
from mnemon_service.app.rerankers import ConfiguredRerankers
from mnemon_service.app.search_options import search_settings
from mnemon_service.app.secret_keys import seal_stored, secret_box
from mnemon_service.app.summary import Summary, summary_of
from mnemon_service.data_directory import DataDirectory
from mnemon_service.index.follower import Follower
from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.memory.adding import Adder
from mnemon_service.memory.changing import Changer
from mnemon_service.memory.content_screen import PolicyScreen
from mnemon_service.memory.delete_rpcs import DeleteWorker
from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.memory.enqueue_rpcs import AddWorker
from mnemon_service.memory.import_operation import BrokenImports
from mnemon_service.memory.importing import Importer
from mnemon_service.memory.planning import Planner
from mnemon_service.memory.servicer import MemoryServicer
from mnemon_service.memory.sweeping import Sweeper
from mnemon_service.memory.vector_backfill import VectorBackfill
from mnemon_service.record.projects import SERVER_PROJECT
from mnemon_service.record.record import Record
from mnemon_service.record.worker import Handler, OperationWorkers
from mnemon_service.search.servicer import SearchServicer
from mnemon_service.server.authentication import DEFAULT_PROJECT, Authenticator, OpenDoor
from mnemon_service.server.boundary import Boundary
from mnemon_service.server.key_authenticator import KeyAuthenticator
from mnemon_service.server.limiter import Limiter
from mnemon_service.server.quotas import Quotas
from mnemon_service.server.request_recorder import RequestRecorder
from mnemon_service.server.runtime import Runtime, RuntimeOptions
from mnemon_service.server.shared_places import SharedPlaces
from mnemon_service.server.telemetry import Telemetry
from mnemon_service.server.usage_recorder import UsageRecorder
from mnemon_service.settings import Settings
from mnemon_service.wire.operations import ADD_MEMORIES, DELETE_MEMORIES, IMPORT_MEMORIES


class Application:
    """Opens everything in order and closes it in the opposite one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None

    async def start(self) -> Summary:
        """Serves. Raises `DataDirectoryUnusable`, `SettingsWrong`, `AddressTaken` with one clear line each;
        then everything that was opened is closed again."""
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Lets running calls end, then closes everything."""
        if self._runtime is not None:
            await self._runtime.stop(self._settings.drain_seconds)
        await self._stack.aclose()

    async def _start(self) -> Summary:
        settings = self._settings
        check_door(settings)
        directory = DataDirectory(settings.data_dir)
        directory.acquire()
        self._stack.callback(directory.release)
        telemetry = Telemetry()
        telemetry.start()
        self._stack.push_async_callback(asyncio.to_thread, telemetry.stop)
        models = ConfiguredLanguageModels(settings)
        models.check()
        self._stack.push_async_callback(models.close)
        record, choice = await asyncio.gather(
            self._open_record(directory.path), build_embedder(settings, directory.path / CACHE_DIRECTORY)
        )
        if choice.embedder is not None:
            self._stack.push_async_callback(choice.embedder.close)
        index = await self._open_index(directory.path, choice)
        space = choice.embedder.name if choice.embedder else ""
        lease = await self._lease(record)
        log = IndexableLog(record, cursor_name(settings, directory.path), space, lease)
        applier = self._follow(index, log, lease)
        quotas = Quotas(record)
        self._stack.push_async_callback(quotas.close)
        limiter = limiter_of(settings, record, quotas, self._share_places(record))
        usage, requests = self._observe(record, quotas)
        box = secret_box(settings, directory.path)
        await seal_stored(record, box)
        services = self._services(record, index, choice, models, applier, log, limiter, usage, box)
        boundary = Boundary(self._authenticator(record), limiter, (usage, requests))
        runtime = Runtime(self._options(), services, boundary)
        address = await runtime.start()
        self._runtime = runtime
        return summary_of(settings, address, directory.path, index.description, choice)

    async def _open_record(self, directory: Path) -> Record:
        record = await Record.open(database_location(self._settings))
        self._stack.push_async_callback(record.close)
        await record.projects.ensure(DEFAULT_PROJECT, "Default project")
        await record.projects.ensure(SERVER_PROJECT, "Operations of the server")
        await ensure_first_keys(record, directory, DEFAULT_PROJECT)
        if not self._settings.uses_postgresql:
            # This process owns the directory, so what worked on an operation before is dead.
            await record.operations.release_all()
        return record

    def _authenticator(self, record: Record) -> Authenticator:
        if self._settings.auth == "off":
            return OpenDoor()
        authenticator = KeyAuthenticator(record, certificates=certificate_callers(self._settings))
        self._stack.push_async_callback(authenticator.close)
        return authenticator

    async def _open_index(self, directory: Path, choice: EmbedderChoice) -> MilvusIndex:
        index = build_index(self._settings, directory, choice)
        await index.open()
        self._stack.push_async_callback(index.close)
        check_embedder(index, choice)
        return index

    async def _lease(self, record: Record) -> SharedIndexLease | None:
        lease = index_lease(self._settings, record)
        if lease is not None:
            await lease.start()
            self._stack.push_async_callback(lease.stop)
        return lease

    def _follow(self, index: MilvusIndex, log: IndexableLog, lease: SharedIndexLease | None) -> IndexApplier:
        applier = IndexApplier(Follower(index, log, lease), log)
        applier.start()
        self._stack.push_async_callback(applier.stop)
        return applier

    def _services(
        self,
        record: Record,
        index: MilvusIndex,
        choice: EmbedderChoice,
        models: ConfiguredLanguageModels,
        applier: IndexApplier,
        log: IndexableLog,
        limiter: Limiter,
        usage: UsageRecorder,
        box: SecretBox,
    ) -> list[tuple[ServiceDescriptor, object]]:
        project_settings = record.settings
        rerankers = self._rerankers(models)
        screen = PolicyScreen()
        embedding = TextEmbedding(record, choice.embedder)
        search = SearchServicer(
            record,
            index,
            choice.embedder,
            log,
            project_settings,
            rerankers,
            search_settings(self._settings),
            meter=usage,
        )
        self._care(record, embedding, search, applier, log)
        planner = Planner(record, embedding, search.recall, models)
        adder = Adder(
            record,
            embedding,
            planner,
            search.recall,
            applier,
            project_settings,
            screen,
            room=limiter,
            meter=usage,
        )
        changer = Changer(record, embedding, applier)
        care = IndexCare(index, applier.follower, log)
        sender, deliverer = webhook_delivery(record, self._settings, box)
        deliverer.start()
        self._stack.push_async_callback(deliverer.stop)
        importer = Importer(record, embedding, applier, project_settings, screen, room=limiter, meter=usage)
        self._work(
            record,
            {
                ADD_MEMORIES: AddWorker(adder),
                DELETE_MEMORIES: DeleteWorker(record, applier),
                IMPORT_MEMORIES: BrokenImports(),
                **admin_handlers(record, care, applier, ErasedCaches(record, search.views, applier)),
            },
        )
        in_process = ServedRpcs()
        services: list[tuple[ServiceDescriptor, object]] = [
            (
                memory_service_pb2.DESCRIPTOR.services_by_name["MemoryService"],
                MemoryServicer(record, adder, changer, importer, project_settings, screen),
            ),
            (search_service_pb2.DESCRIPTOR.services_by_name["SearchService"], search),
            (
                admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
                AdminServicer(
                    record,
                    models,
                    rerankers,
                    write_instructions,
                    usage,
                    in_process,
                    server_facts(self._settings, choice),
                    care,
                    sender,
                    deliverer,
                ),
            ),
        ]
        in_process.serve(services)
        return services

    def _rerankers(self, models: ConfiguredLanguageModels) -> ConfiguredRerankers:
        rerankers = ConfiguredRerankers(self._settings, models)
        rerankers.check()
        self._stack.push_async_callback(rerankers.close)
        return rerankers

    def _care(
        self,
        record: Record,
        embedding: TextEmbedding,
        search: SearchServicer,
        applier: IndexApplier,
        log: IndexableLog,
    ) -> None:
        """What goes on without anybody asking for it."""

        async def reindex(project_id: str, memory_ids: list[str]) -> None:
            await applier.reindex(project_id, memory_ids)
            search.views.forget(project_id)

        backfill = VectorBackfill(record, embedding, reindex)
        log.vector_missing = backfill.wake
        sweeper = Sweeper(record, record.settings, search.views, applier.follower)
        for task in (backfill, sweeper):
            task.start()
            self._stack.push_async_callback(task.stop)

    def _observe(self, record: Record, quotas: Quotas) -> tuple[UsageRecorder, RequestRecorder]:
        """Who hears of calls and of what they use."""
        usage = UsageRecorder(record.usage, quotas)
        requests = RequestRecorder(record.request_log, record.settings)
        for recorder in (usage, requests):
            recorder.start()
            self._stack.push_async_callback(recorder.stop)
        return usage, requests

    def _work(self, record: Record, handlers: Mapping[str, Handler]) -> None:
        workers = OperationWorkers(record.operations, handlers)
        workers.start()
        self._stack.push_async_callback(workers.stop)

    def _share_places(self, record: Record) -> SharedPlaces | None:
        places = shared_places_of(self._settings, record)
        if places is not None:
            places.start()
            self._stack.push_async_callback(places.stop)
        return places

    def _options(self) -> RuntimeOptions:
        settings = self._settings
        return RuntimeOptions(
            address=settings.address,
            maximum_message_bytes=settings.maximum_message_bytes,
            maximum_metadata_bytes=settings.maximum_metadata_bytes,
            maximum_connection_age_seconds=settings.maximum_connection_age_seconds,
            maximum_connections=settings.maximum_connections,
            keepalive_seconds=settings.keepalive_seconds,
            keepalive_timeout_seconds=settings.keepalive_timeout_seconds,
            credentials=transport_credentials(settings),
        )
