"""Filters mean what they say, in each form that users write."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from mnemon import F, InvalidArgumentError
from mnemon._requests import ScopeIds, Selection
from mnemon.filters import Condition, from_json, split_scope, to_filter
from mnemon.v1 import filter_pb2


def plain(condition: Condition) -> dict[str, Any]:
    return MessageToDict(condition.message, preserving_proto_field_name=True)


def compared(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"comparison": {"field": field, "operator": f"OPERATOR_{operator}", "value": value}}


def test_fields_compare_with_python_operators() -> None:
    assert plain(F.metadata("tier") == "gold") == compared("metadata.tier", "EQ", "gold")
    assert plain(F.metadata("a", "b") != 1) == compared("metadata.a.b", "NE", 1.0)
    assert plain(F.metadata("n") > 1) == compared("metadata.n", "GT", 1.0)
    assert plain(F.metadata("n") >= 1) == compared("metadata.n", "GTE", 1.0)
    assert plain(F.metadata("n") < 1) == compared("metadata.n", "LT", 1.0)
    assert plain(F.metadata("n") <= 1) == compared("metadata.n", "LTE", 1.0)
    assert plain(F.user_id.is_in(["a", "b"])) == compared("user_id", "IN", ["a", "b"])
    assert plain(F.run_id.not_in(["a"])) == compared("run_id", "NOT_IN", ["a"])
    assert plain(F.categories.contains("food")) == compared("categories", "CONTAINS", "food")
    assert plain(F.attributed_to.icontains("ana")) == compared("attributed_to", "ICONTAINS", "ana")
    assert plain(F.attributed_to.starts_with("A")) == compared("attributed_to", "STARTS_WITH", "A")
    assert plain(F.expire_time.exists(False)) == compared("expire_time", "EXISTS", False)
    assert plain(F.type == "semantic") == compared("type", "EQ", "SEMANTIC")


def test_times_are_written_in_utc() -> None:
    wanted = compared("event_time", "GTE", "2026-05-07T00:00:00Z")
    assert plain(F.event_time >= datetime(2026, 5, 7, tzinfo=UTC)) == wanted
    assert plain(from_json({"event_time": {"gte": date(2026, 5, 7)}})) == wanted
    assert plain(from_json({"event_time": {"gte": "2026-05-07"}})) == wanted


def test_conditions_join_flat() -> None:
    a, b, c = F.metadata("a") == 1, F.metadata("b") == 2, F.metadata("c") == 3
    assert len((a & b & c).message.and_group.filters) == 3
    assert len((a | b | c).message.or_group.filters) == 3
    mixed = plain((a | b) & ~c)
    assert set(mixed["and_group"]["filters"][0]) == {"or_group"}
    assert set(mixed["and_group"]["filters"][1]) == {"not_filter"}


def test_and_or_not_of_python_are_refused_instead_of_silently_wrong() -> None:
    with pytest.raises(TypeError, match="join conditions with &"):
        bool((F.metadata("a") == 1) and (F.metadata("b") == 2))


@pytest.mark.parametrize("dollar", ["", "$"])
def test_mem0s_json_means_the_same(dollar: str) -> None:
    written = from_json(
        {
            f"{dollar}AND": [
                {"categories": {f"{dollar}in": ["food", "travel"]}},
                {f"{dollar}or": [{"tier": "gold"}, {"stars": {f"{dollar}gte": 4, "lt": 6}}]},
                {f"{dollar}NOT": [{"metadata": {"old": True}}, {"created_at": {"lt": "2024-01-01"}}]},
            ]
        }
    )
    built = (
        (F.categories.contains("food") | F.categories.contains("travel"))
        & ((F.metadata("tier") == "gold") | ((F.metadata("stars") >= 4) & (F.metadata("stars") < 6)))
        & ~((F.metadata("old") == True) | (F.create_time < datetime(2024, 1, 1, tzinfo=UTC)))  # noqa: E712
    )
    assert plain(written) == plain(built)


def test_mem0s_star_means_any_for_a_scope_id() -> None:
    assert plain(from_json({"agent_id": "*"})) == compared("agent_id", "EXISTS", True)
    assert plain(from_json({"label": "*"})) == compared("metadata.label", "EQ", "*")


def test_categories_in_mem0s_json_look_inside_the_list() -> None:
    assert plain(from_json({"categories": "food"})) == compared("categories", "CONTAINS", "food")
    negated = plain(from_json({"categories": {"nin": ["a", "b"]}}))
    assert len(negated["not_filter"]["or_group"]["filters"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"tier": {"like": "g%"}},
        {"AND": []},
        {"AND": "tier"},
        {"OR": ["tier"]},
        {"tier": {}},
        {"AND": [{}]},
        {"event_time": {"gt": "yesterday"}},
        {"thing": object()},
    ],
)
def test_what_is_no_filter_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        to_filter(wrong)


def test_every_form_is_taken() -> None:
    message = (F.metadata("tier") == "gold").message
    assert to_filter(None) is None
    assert to_filter({}) is None
    assert to_filter(message) is message
    assert to_filter(F.metadata("tier") == "gold") == message
    assert to_filter({"tier": "gold"}) == message
    with pytest.raises(InvalidArgumentError):
        to_filter("tier = gold")  # type: ignore[arg-type]


def test_scope_ids_in_a_mem0_filter_become_the_scope() -> None:
    scope, condition = Selection(ScopeIds(), {"AND": [{"user_id": "ana"}, {"tier": "gold"}]}).resolved()
    assert scope is not None
    assert scope.user_id == "ana"
    assert condition == (F.metadata("tier") == "gold").message
    assert Selection(ScopeIds(), {"user_id": "ana"}).resolved()[1] is None


def test_scope_ids_that_do_not_hold_for_the_whole_filter_stay_in_it() -> None:
    either = {"OR": [{"user_id": "ana"}, {"user_id": "ben"}]}
    assert split_scope(either) == ({}, either)
    assert split_scope({"user_id": "*"}) == ({}, {"user_id": "*"})
    scope, condition = Selection(ScopeIds(agent_id="bot"), {"user_id": "ana"}).resolved()
    assert scope is not None
    assert (scope.user_id, scope.agent_id) == ("", "bot")
    assert condition == (F.user_id == "ana").message


def test_a_condition_shows_itself() -> None:
    shown = repr((F.metadata("a") == "x") & ~(F.metadata("b") < 2))
    assert shown == "Condition((metadata.a EQ 'x') and (not (metadata.b LT 2)))"


def test_every_operator_of_the_contract_can_be_written() -> None:
    conditions = [
        F.user_id == "a",
        F.user_id != "a",
        F.user_id > "a",
        F.user_id >= "a",
        F.user_id < "a",
        F.user_id <= "a",
        F.user_id.is_in(["a"]),
        F.user_id.not_in(["a"]),
        F.user_id.contains("a"),
        F.user_id.icontains("a"),
        F.user_id.starts_with("a"),
        F.user_id.exists(),
    ]
    written = {condition.message.comparison.operator for condition in conditions}
    assert written == set(filter_pb2.Operator.values()) - {0}
