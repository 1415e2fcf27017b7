"""/metrics is what Prometheus reads."""

from __future__ import annotations

import re

from pipeline.node.monitor import HELP, NodeStatus, metrics_text, resident_bytes


def test_metrics_have_type_help_and_value() -> None:
    status = NodeStatus(
        studies={"received": 2, "sent": 7},
        oldest_seconds=3.5,
        counters={"received_instances": 18.0},
        free_bytes=10**9,
        reasons=(),
    )
    text = metrics_text(status, 2)
    assert 'osteolens_studies{state="received"} 2' in text and 'osteolens_studies{state="made"} 0' in text
    assert "\nosteolens_received_instances_total 18\n" in text
    assert "\nosteolens_processes 2\n" in text
    for name in HELP:
        assert f"# TYPE osteolens_{name}_total counter" in text
    assert all(
        re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{state="\w+"\})? [0-9.e+]+', line) for line in text.splitlines()
    )


def test_memory_is_told() -> None:
    assert resident_bytes() > 10**6
