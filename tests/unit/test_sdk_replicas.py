"""Calls are spread over replicas, and find their way back to a server that was away."""

from __future__ import annotations

from mnemon import AsyncClient, Client, RetryPolicy
from support.scripted_server import ScriptedServer

ADD = "MemoryService/AddMemories"
PATIENT = RetryPolicy(attempts=8, first_delay=0.05, largest_delay=0.2)


def test_calls_take_turns_over_all_addresses() -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        with Client(f"ipv4:{one.address},{two.address}", "", retry=PATIENT) as client:
            for _ in range(20):
                client.add("hello", user_id="ana")
        assert len(one.calls) + len(two.calls) == 20
        assert min(len(one.calls), len(two.calls)) >= 5


def test_a_replica_that_goes_away_costs_no_call() -> None:
    with (
        ScriptedServer() as stays,
        ScriptedServer() as goes,
        Client(f"ipv4:{stays.address},{goes.address}", "", retry=PATIENT) as client,
    ):
        for number in range(20):
            if number == 5:
                goes.stop()
            client.add("hello", user_id="ana")
        assert len(stays.calls) >= 15


async def test_a_server_that_comes_back_is_found_again() -> None:
    with ScriptedServer() as before:
        async with AsyncClient(before.address, "", retry=PATIENT) as client:
            await client.add("hello", user_id="ana")
            before.stop()
            with ScriptedServer(port=before.port) as after:
                await client.add("hello again", user_id="ana")
                assert len(after.requests(ADD)) == 1
