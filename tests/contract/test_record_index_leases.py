"""The lease of a shared index: one holder, handed on when asked for, taken only from who fell silent."""

from __future__ import annotations

from mnemon_service.record.index_leases import IndexLease
from mnemon_service.record.record import Record

INDEX = "mnemon"


async def test_one_of_two_takes_what_nobody_holds(record: Record) -> None:
    leases = record.index_leases
    seen = await leases.look(INDEX)
    assert seen == IndexLease()
    assert await leases.take(INDEX, "one", seen)
    assert not await leases.take(INDEX, "two", seen)
    assert (await leases.look(INDEX)).holder == "one"
    assert await leases.renew(INDEX, "one") == ""
    assert await leases.renew(INDEX, "two") is None
    assert await leases.look("another index") == IndexLease()


async def test_a_holder_that_lives_is_not_robbed(record: Record) -> None:
    leases = record.index_leases
    await leases.take(INDEX, "one", await leases.look(INDEX))
    seen = await leases.look(INDEX)
    await leases.renew(INDEX, "one")
    assert not await leases.take(INDEX, "two", seen)
    silent = await leases.look(INDEX)
    assert await leases.take(INDEX, "two", silent)
    assert await leases.renew(INDEX, "one") is None
    await leases.hand_on(INDEX, "one", "one")
    assert (await leases.look(INDEX)).holder == "two"


async def test_the_first_that_asks_is_given_it(record: Record) -> None:
    leases = record.index_leases
    await leases.take(INDEX, "one", await leases.look(INDEX))
    heard = record.signal.leases_waiter()
    await leases.ask(INDEX, "two")
    await heard(30)
    await leases.ask(INDEX, "three")
    assert await leases.renew(INDEX, "one") == "two"
    await leases.hand_on(INDEX, "one", "two")
    assert (await leases.look(INDEX)).holder == "two"
    assert await leases.renew(INDEX, "two") == ""
    await leases.hand_on(INDEX, "two", "")
    assert await leases.take(INDEX, "three", await leases.look(INDEX))
