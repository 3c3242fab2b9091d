"""What a model said and was not taken is counted by its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from mnemon_service.memory import refusal_count
from mnemon_service.memory.planned import RefusedFact


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("test").create_counter("refusals")
    monkeypatch.setattr(refusal_count, "_refusals", counter)
    yield reader
    provider.shutdown()


def test_refusals_are_counted_by_reason_and_tell_nothing_else(reader: InMemoryMetricReader) -> None:
    refusals = [RefusedFact("NO_EVIDENCE", "message 1", "m1"), RefusedFact("RECALLED", "message m2", "m2")]
    refusal_count.count_refusals([*refusals, RefusedFact("NO_EVIDENCE", "message 2", "m3")])
    data: Any = reader.get_metrics_data()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert sorted((dict(point.attributes), point.value) for point in points if point.value == 2) == [
        ({"reason": "NO_EVIDENCE"}, 2)
    ]
    assert [dict(point.attributes) for point in points if point.value == 1] == [{"reason": "RECALLED"}]
