"""A mixed load that knows what must be true: each writer keeps a model of its own user's memories.

A write whose answer was lost is in doubt. It is sent again with the same request id until it is answered,
so after every outage the model says exactly what the server must hold.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from mnemon.v1 import memory_pb2, operation_pb2, search_service_pb2
from mnemon.v1 import memory_service_pb2 as pb
from mnemon.v1.memory_service_pb2_grpc import MemoryServiceStub
from mnemon.v1.scope_pb2 import Scope
from mnemon.v1.search_service_pb2_grpc import SearchServiceStub

CALL_SECONDS = 20.0
LOST = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
"""Codes after which a write may or may not have taken effect, or may be tried again."""
REMEMBERED = 20
"""Answered writes that each writer sends again now and then."""


class Down(Exception):
    """The server did not answer."""


@dataclass
class Expected:
    """A memory as it must be."""

    text: str
    version: int
    deleted: bool = False


@dataclass
class Sent:
    """A write and, once it was answered, its answer."""

    rpc: str
    request: Any
    answer: Message | None = None


@dataclass
class Writer:
    """One user's writes, one after the other, and what they must have led to."""

    number: int
    seed: str
    channel: grpc.Channel
    user: str = ""
    memories: dict[str, Expected] = field(default_factory=dict)
    nameless: set[str] = field(default_factory=set)
    """Texts that were stored in bulk or are on their way: their ids are not known yet."""
    operations: dict[str, list[str]] = field(default_factory=dict)
    """Unfinished operations, with the texts that they store."""
    in_doubt: Sent | None = None
    answered: list[Sent] = field(default_factory=list)
    done: int = 0
    retried: int = 0

    def __post_init__(self) -> None:
        self.user = f"user-{self.number}"
        self.scope = Scope(user_id=self.user)
        self.random = random.Random(f"{self.seed}/{self.number}")
        self._count = 0
        self.connect(self.channel)

    def connect(self, channel: grpc.Channel) -> None:
        """From now on speaks over this channel."""
        self.channel = channel
        self.stub = MemoryServiceStub(channel)
        self.search = SearchServiceStub(channel)

    # One step

    def step(self) -> None:
        """The next write or read. Raises `Down`; `AssertionError` for an answer that cannot be."""
        if self.in_doubt is not None:
            self.retried += 1
            self._send(self.in_doubt)
            return
        steps: list[tuple[int, Callable[[], None]]] = [
            (6, self._add),
            (4, self._update),
            (3, self._delete),
            (1, self._restore),
            (2, self._enqueue),
            (1, self._import),
            (3, self._find),
            (1, self._repeat),
        ]
        weights, actions = zip(*steps, strict=True)
        self.random.choices(actions, weights)[0]()
        self.done += 1

    def settle(self) -> None:
        """Sends what is in doubt again until it is answered."""
        while self.in_doubt is not None:
            self.step()

    def _new_id(self) -> str:
        self._count += 1
        return f"{self.user}-request-{self._count}"

    def _new_text(self) -> str:
        self._count += 1
        return f"statement {self._count} of {self.user} word{self.random.randrange(10**9)}"

    def _pick(self, *, deleted: bool) -> str | None:
        found = [key for key, memory in self.memories.items() if memory.deleted is deleted]
        return self.random.choice(found) if found else None

    def _add(self) -> None:
        texts = [self._new_text() for _ in range(self.random.choice((1, 1, 1, 3)))]
        request = pb.AddMemoriesRequest(scope=self.scope, texts=texts, infer=False, request_id=self._new_id())
        self._send(Sent("AddMemories", request))

    def _update(self) -> None:
        if memory_id := self._pick(deleted=False):
            memory = memory_pb2.Memory(id=memory_id, text=self._new_text())
            self._send(Sent("UpdateMemory", pb.UpdateMemoryRequest(memory=memory, request_id=self._new_id())))

    def _delete(self) -> None:
        if memory_id := self._pick(deleted=False):
            self._send(Sent("DeleteMemory", pb.DeleteMemoryRequest(id=memory_id, request_id=self._new_id())))

    def _restore(self) -> None:
        if memory_id := self._pick(deleted=True):
            request = pb.RestoreMemoryRequest(id=memory_id, request_id=self._new_id())
            self._send(Sent("RestoreMemory", request))

    def _enqueue(self) -> None:
        add = pb.AddMemoriesRequest(
            scope=self.scope, texts=[self._new_text()], infer=False, request_id=self._new_id()
        )
        self._send(Sent("EnqueueMemories", pb.EnqueueMemoriesRequest(add=add)))

    def _import(self) -> None:
        rows = [pb.ImportRow(text=self._new_text(), scope=self.scope) for _ in range(5)]
        messages = [
            pb.ImportMemoriesRequest(options=pb.ImportOptions(request_id=self._new_id())),
            pb.ImportMemoriesRequest(rows=pb.ImportRows(rows=rows)),
        ]
        self.nameless.update(row.text for row in rows)
        self._send(Sent("ImportMemories", messages))

    def _find(self) -> None:
        """What was written is found at once; what was deleted is not."""
        memory_id = self._pick(deleted=self.random.random() < 0.3)
        if memory_id is None:
            return
        known = self.memories[memory_id]
        request = search_service_pb2.SearchRequest(query=known.text.split()[-1], scope=self.scope, top_k=10)
        try:
            hits = self.search.Search(request, timeout=CALL_SECONDS).hits
        except grpc.RpcError as error:
            raise _lost(error) from error
        found = {hit.memory.id: hit.memory.text for hit in hits}
        if known.deleted:
            assert memory_id not in found, f"deleted memory {memory_id} was found"
        else:
            assert found.get(memory_id) == known.text, f"memory {memory_id} was not found: {found}"

    def _repeat(self) -> None:
        """An answered write, sent again, has the same answer and no effect."""
        if self.answered:
            sent = self.random.choice(self.answered)
            again = self._call(sent)
            assert _effect(again) == _effect(sent.answer), f"{sent.rpc} {sent.request} was answered anew"

    # Sending

    def _send(self, sent: Sent) -> None:
        self.in_doubt = sent
        sent.answer = self._call(sent)
        self.in_doubt = None
        self._learn(sent)
        if sent.rpc != "ImportMemories":  # its answer names another operation each time
            self.answered = [*self.answered[-REMEMBERED:], sent]

    def _call(self, sent: Sent) -> Any:
        method = getattr(self.stub, sent.rpc)
        streamed = sent.rpc == "ImportMemories"
        try:
            return method(_each(sent.request) if streamed else sent.request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise _lost(error) from error

    def _learn(self, sent: Sent) -> None:
        answer: Any = sent.answer
        if sent.rpc == "AddMemories":
            for change, text in zip(answer.changes, sent.request.texts, strict=True):
                assert change.memory.text == text
                self._set(change.memory, deleted=False)
        elif sent.rpc == "EnqueueMemories":
            self.operations[answer.operation.id] = list(sent.request.add.texts)
            self.nameless.update(sent.request.add.texts)
        elif sent.rpc == "ImportMemories":
            result: operation_pb2.ImportMemoriesResult = answer.result
            assert (result.imported_count, result.duplicate_count) == (5, 0), result
        else:
            self._set(answer.memory, deleted=sent.rpc == "DeleteMemory")

    def _set(self, memory: memory_pb2.Memory, *, deleted: bool) -> None:
        before = self.memories.get(memory.id)
        expected = before.version + 1 if before else 1
        assert memory.version == expected, f"{memory.id} jumped to version {memory.version}, not {expected}"
        self.memories[memory.id] = Expected(memory.text, memory.version, deleted)


def _effect(answer: Any) -> Any:
    """The answer without how long it took: the first one counts the time after the commit too."""
    if isinstance(answer, pb.AddMemoriesResponse):
        answer = pb.AddMemoriesResponse.FromString(answer.SerializeToString())
        answer.ClearField("usage")
    return answer


def _each(messages: list[pb.ImportMemoriesRequest]) -> Iterator[pb.ImportMemoriesRequest]:
    yield from messages


def _lost(error: grpc.RpcError) -> Exception:
    if error.code() in LOST:
        return Down(f"{error.code().name}: {error.details()}")
    return AssertionError(f"{error.code().name}: {error.details()}")


class Load:
    """Writers at work in threads until they are stopped or the server is gone."""

    def __init__(self, writers: list[Writer]) -> None:
        self.writers = writers
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, *, until_down: bool = True) -> None:
        """Begins. Each writer ends with the first call that is not answered, or goes on trying."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._work, args=(writer, until_down), daemon=True)
            for writer in self.writers
        ]
        for thread in self._threads:
            thread.start()

    def goes_on(self, steps: int = 6, seconds: float = 20.0) -> None:
        """Returns when the writers have taken so many steps more, all of them right."""
        wanted = sum(writer.done for writer in self.writers) + steps
        deadline = time.monotonic() + seconds
        while sum(writer.done for writer in self.writers) < wanted:
            assert not self.failures, self.failures
            assert time.monotonic() < deadline, "nobody is served any more"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends after each writer's present call. Raises what a writer found wrong."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"
        if self.failures:
            raise self.failures[0]

    def _work(self, writer: Writer, until_down: bool) -> None:
        try:
            while not self._stop.is_set():
                try:
                    writer.step()
                except Down:
                    if until_down:
                        return
                    self._stop.wait(0.05)
        except BaseException as error:
            self.failures.append(error)
