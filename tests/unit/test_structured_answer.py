"""A model's broken answer yields what it said completely, never more, and never passes for an empty one."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnemon_service.providers.json_schema import Conformer, DoesNotFit, check_schema
from mnemon_service.providers.llm import Repair
from mnemon_service.providers.structured_answer import MAXIMUM_DEPTH, read

ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "kind": {"type": "string", "enum": ["ADD", "NONE"]},
        "weight": {"type": "number"},
        "target": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["text", "kind", "weight", "target", "tags"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "notes": {"type": "array", "items": {"type": "string"}},
        "facts": {"type": "array", "items": ITEM},
    },
    "required": ["notes", "facts"],
    "additionalProperties": False,
}
FACT = {"text": "Ana lives in Lisbon", "kind": "ADD", "weight": 0.9, "target": None, "tags": ["place"]}
ANSWER = {"notes": [], "facts": [FACT]}

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
facts = st.fixed_dictionaries(
    {
        "text": texts,
        "kind": st.sampled_from(["ADD", "NONE"]),
        "weight": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-99, 99),
        "target": st.none() | st.integers(-999, 999),
        "tags": st.lists(texts, max_size=3),
    }
)
answers = st.fixed_dictionaries({"notes": st.lists(texts, max_size=3), "facts": st.lists(facts, max_size=4)})


def test_a_good_answer_is_taken_as_it_is() -> None:
    reading = read(json.dumps(ANSWER), SCHEMA)
    assert (reading.value, reading.repairs, reading.dropped) == (ANSWER, frozenset(), 0)


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        ("```json\n{}\n```", {Repair.FENCE}),
        ("```\n{}\n```\n", {Repair.FENCE}),
        ("Sure! Here it is:\n```json\n{}\n```\nAnything else?", {Repair.FENCE, Repair.CHATTER}),
        ("As [1] and {the brief} say: {} Good luck [sic] {}", {Repair.CHATTER}),
        ('<think>maybe {"notes": [], "facts": []}?</think>\n{}', {Repair.CHATTER}),
    ],
)
def test_what_stands_around_the_json_is_left_out(text: str, repairs: set[Repair]) -> None:
    reading = read(text.replace("{}", json.dumps(ANSWER)), SCHEMA)
    assert reading.value == ANSWER
    assert reading.repairs == repairs


def test_commas_before_closing_brackets_are_left_out() -> None:
    reading = read(json.dumps(ANSWER).replace("]}", ",],}"), SCHEMA)
    assert reading.value == ANSWER
    assert reading.repairs == {Repair.COMMA}


def test_raw_line_breaks_and_nuls_inside_strings_are_survived() -> None:
    text = json.dumps(ANSWER).replace("Ana lives", "Ana\nlives").replace("Lisbon", r"Lis\u0000\ud800bon")
    reading = read(text, SCHEMA)
    assert reading.value is not None
    assert reading.value["facts"][0]["text"] == "Ana\nlives in Lis�?bon"
    assert reading.repairs == {Repair.CHARACTER}


def test_values_that_say_the_same_in_another_type_are_converted() -> None:
    fact = {**FACT, "kind": "add", "weight": "0.9", "tags": "place"}
    reading = read(json.dumps({**ANSWER, "facts": fact}), SCHEMA)
    assert reading.value == ANSWER
    assert reading.repairs == {Repair.TYPE, Repair.WRAPPED}


def test_a_bare_list_goes_where_the_schema_wants_one() -> None:
    reading = read(json.dumps([FACT]), SCHEMA)
    assert reading.value == {"facts": [FACT]}
    assert reading.repairs == {Repair.WRAPPED}


def test_unknown_members_are_left_out_and_silent_ones_say_nothing() -> None:
    fact = {name: value for name, value in FACT.items() if name not in ("target", "tags")}
    reading = read(json.dumps({**ANSWER, "facts": [{**fact, "mood": "sunny"}]}), SCHEMA)
    assert reading.value == {"notes": [], "facts": [{**FACT, "tags": []}]}
    assert reading.repairs == {Repair.EXTRA, Repair.FILLED}


def test_a_wrong_item_costs_that_item_alone_and_is_counted() -> None:
    wrong = [{**FACT, "kind": "MAYBE"}, {**FACT, "weight": "much"}, "Ana lives in Lisbon", None, 7]
    reading = read(json.dumps({**ANSWER, "facts": [*wrong, FACT]}), SCHEMA)
    assert reading.value == ANSWER
    assert (reading.repairs, reading.dropped) == (frozenset({Repair.DROPPED}), len(wrong))


def test_a_dropped_item_is_counted_once_whatever_else_was_wrong_in_it() -> None:
    wrong = {**FACT, "kind": "add", "weight": float("nan"), "tags": [7]}
    reading = read(json.dumps({**ANSWER, "facts": [wrong, FACT]}), SCHEMA)
    assert reading.value == ANSWER
    assert (reading.repairs, reading.dropped) == (frozenset({Repair.DROPPED}), 1)


def test_a_number_at_the_end_of_a_cut_answer_may_have_been_longer() -> None:
    items = {"type": "array", "items": {"type": "number"}}
    schema = {"type": "object", "properties": {"n": items}, "required": ["n"], "additionalProperties": False}
    assert read('{"n": [1, 2', schema).value == {"n": [1]}
    assert read('{"n": [1, 2,', schema).value == {"n": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{}",
        "[]",
        "null",
        "Sorry, I cannot.",
        '{"facts": null, "notes": []}',
        '{"facts": []}',
        '{"fa',
        "{",
        "[[[",
    ],
)
def test_an_answer_that_says_nothing_is_no_empty_success(text: str) -> None:
    assert read(text, SCHEMA).value is None


@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"facts":' * 20_000, '{"' * 20_000, "{[" * 20_000 + "]}" * 9]
)
def test_absurd_nesting_ends_in_time_and_without_a_crash(text: str) -> None:
    assert len(text) > MAXIMUM_DEPTH
    assert read(text, SCHEMA).value is None


@given(answers, st.data())
def test_every_prefix_gives_a_prefix_of_each_list_and_invents_nothing(
    answer: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(
        answer, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 2]))
    )
    length = data.draw(st.integers(0, len(text)))
    reading = read(text[:length], SCHEMA)
    assert reading.dropped == 0
    if length == len(text):
        assert (reading.value, reading.repairs) == (answer, frozenset())
    if reading.value is not None:
        assert length == len(text) or Repair.CUT in reading.repairs
        for name, items in reading.value.items():
            assert items == answer[name][: len(items)]


@given(st.lists(facts, min_size=1, max_size=4), st.data())
def test_an_item_that_was_closed_is_kept(items: list[dict[str, Any]], data: st.DataObject) -> None:
    complete = data.draw(st.integers(1, len(items)))
    closed = ", ".join(json.dumps(item) for item in items[:complete])
    reading = read(f'{{"notes": [], "facts": [{closed}', SCHEMA)
    assert reading.value == {"notes": [], "facts": items[:complete]}


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_no_text_at_all_makes_it_fail(text: str) -> None:
    reading = read("{" + text, SCHEMA)
    if reading.value is not None:
        jsonschema.validate({"notes": [], "facts": [], **reading.value}, SCHEMA)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ITEM["properties"], "x"]), inner)
    ),
    max_leaves=8,
)


@given(values | facts)
def test_what_fits_is_what_a_full_validator_accepts(value: object) -> None:
    validator = jsonschema.Draft202012Validator(ITEM)
    conformer = Conformer()
    try:
        fitting = conformer.conform(value, ITEM)
    except DoesNotFit:
        assert not validator.is_valid(value)
        return
    assert validator.is_valid(fitting)
    if validator.is_valid(value):
        assert (fitting, conformer.repairs) == (value, set())
    else:
        assert conformer.repairs


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": 0},
        {"type": "array", "items": {"type": "string", "format": "date"}},
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": [],
            "additionalProperties": False,
        },
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    ],
)
def test_a_schema_that_a_strict_provider_would_refuse_is_refused_here(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot use|must require"):
        check_schema(schema)


def test_the_schemas_above_are_strict() -> None:
    check_schema(SCHEMA)
