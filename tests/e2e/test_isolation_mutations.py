"""Whatever is sent, the answer is one that the contract documents, and the server lives on."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnemon.v1 import admin_service_pb2 as admin
from mnemon.v1.admin_service_pb2_grpc import AdminServiceStub
from mnemon.v1.error_reason_pb2 import ErrorReason
from mnemon.v1.project_pb2 import KEY_ROLE_WRITER
from mnemon.v1.scope_pb2 import Scope
from support.every_rpc import Outcome, call, request_of
from support.isolation_cases import CASES
from support.key_sender import bearer
from support.mutations import Mutator
from support.server import MnemonServer, running_server

REASONS = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name}
OWN_LIMITS = {"DEADLINE_EXCEEDED", "CANCELLED"}
"""What the caller's own impatience gives: no answer of the server, so no reason."""
INTERNALS = re.compile(
    r"Traceback|File \"|\.py\b|sqlite|sqlalchemy|asyncpg|milvus|protobuf|mnemon_service|0x[0-9a-f]{6}|/tmp",
    re.IGNORECASE,
)
HEAVY = {"AdminService/SelfTestIsolation", "AdminService/RebuildIndex"}
"""Their requests are empty: nothing to mutate."""
METHODS = sorted(CASES.keys() - HEAVY)
GROWTH_BYTES = 150 * 1024 * 1024


class Fuzzed:
    """A server and the keys to call it with."""

    def __init__(self, server: MnemonServer) -> None:
        self.server = server
        self.channel = server.channel(key="")
        stub = AdminServiceStub(self.channel)
        bound = admin.CreateApiKeyRequest(role=KEY_ROLE_WRITER, bound_scope=Scope(user_id="ana"))
        guest = stub.CreateApiKey(bound, metadata=bearer(server.key)).secret
        self.keys = (server.key, server.key, server.root_key, guest)
        self.things = {name: str(uuid.uuid4()) for name in ("$memory", "$operation", "$webhook", "$key")}
        self.things |= {"$project": "fuzzed", "$user": "ana"}

    def send(self, seed: int) -> tuple[str, Outcome]:
        """One call, made of a seed."""
        chance, mutator = random.Random(seed), Mutator(seed)
        method = chance.choice(METHODS)
        text = json.dumps(CASES[method])
        for name, value in self.things.items():
            text = text.replace(name, value)
        requests = [request_of(method, fields) for fields in json.loads(text)]
        for request in requests:
            mutator.mutate(request)
        sent: list[object] = list(requests)
        if chance.random() < 0.25:
            sent = [mutator.broken(request.SerializeToString()) for request in requests]
        timeout = 0.3 if method in ("MemoryService/WatchMemories", "AdminService/WaitOperation") else 20.0
        return method, call(self.channel, method, sent, bearer(chance.choice(self.keys)), timeout)  # type: ignore[arg-type]

    def check(self, seed: int) -> str:
        """The code of the answer. Raises unless it is a documented one that gives nothing away."""
        method, outcome = self.send(seed)
        where = f"seed {seed}: {method} answered {outcome.code} {outcome.reason} {outcome.message}"
        assert outcome.code not in ("INTERNAL", "UNKNOWN"), where
        if outcome.code not in ("OK", *OWN_LIMITS):
            assert outcome.reason in REASONS, where
        assert not INTERNALS.search(outcome.message), where
        return outcome.code

    def campaign(self, seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
        """How often each code came, and what was wrong with answers, over all the seeds."""
        codes: Counter[str] = Counter()
        wrong: list[str] = []
        for seed in seeds:
            try:
                codes[self.check(seed)] += 1
            except AssertionError as error:
                wrong.append(str(error))
        return codes, wrong


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with running_server(tmp_path_factory.mktemp("mutations")) as running:
        made = Fuzzed(running)
        yield made
        made.channel.close()


def assert_alive(fuzzed: Fuzzed) -> None:
    """The server still answers, and its log holds no unforeseen failure."""
    outcome = call(
        fuzzed.channel, "AdminService/GetProject", [admin.GetProjectRequest()], bearer(fuzzed.server.key)
    )
    assert outcome.code == "OK", outcome
    assert '"call failed"' not in fuzzed.server.errors


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(relaxed, max_examples=500)
@given(seed=st.integers(0, 2**32))
def test_mutated_requests_get_documented_answers(fuzzed: Fuzzed, seed: int) -> None:
    fuzzed.check(seed)


def test_the_server_lives_on_after_them(fuzzed: Fuzzed) -> None:
    assert_alive(fuzzed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_thousand_of_them_and_no_growth_of_memory(fuzzed: Fuzzed) -> None:
    _, wrong = fuzzed.campaign(range(1_000))
    before = fuzzed.server.resident_bytes
    codes, more_wrong = fuzzed.campaign(range(1_000, 11_000))
    grown = fuzzed.server.resident_bytes - before
    print("\n".join(f"{count:6,} {code}" for code, count in codes.most_common()))
    print(f"resident memory {before / 2**20:.0f} MiB before, {grown / 2**20:+.0f} MiB after")
    failed = [line for line in fuzzed.server.errors.splitlines() if '"call failed"' in line]
    assert not wrong + more_wrong, "\n".join([*wrong, *more_wrong, *failed])
    assert grown < GROWTH_BYTES, f"{grown / 2**20:.0f} MiB more"
    assert_alive(fuzzed)


def test_a_request_larger_than_the_server_takes_is_refused(fuzzed: Fuzzed) -> None:
    outcome = call(
        fuzzed.channel, "MemoryService/GetMemory", [b"\x0a" + b"a" * (17 * 2**20)], bearer(fuzzed.server.key)
    )
    assert outcome.code == grpc.StatusCode.RESOURCE_EXHAUSTED.name
    assert_alive(fuzzed)
