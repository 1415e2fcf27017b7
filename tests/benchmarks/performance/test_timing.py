"""Calls that are compared take turns, and a time is that of an item before it is a mean."""

from __future__ import annotations

from benchmarks.performance.timing import Clock, interleaved


def test_the_shortest_time_of_each_item_is_averaged() -> None:
    clock = Clock()
    for item, milliseconds in ((0, 10.0), (0, 30.0), (0, 20.0), (1, 200.0), (1, 100.0), (1, 600.0)):
        clock.add("step", item, milliseconds)
    timing = clock.timings()["step"]
    assert (timing.minimum_ms, timing.median_ms) == (55.0, 110.0)
    assert (timing.rounds, timing.items) == (3, 2)


def test_calls_take_turns_and_another_one_begins_each_time() -> None:
    called: list[str] = []
    calls = {name: lambda item, name=name: called.append(f"{name}{item}") for name in "ab"}
    timings = interleaved(calls, [1, 2], rounds=2)
    assert called[:2] == ["a1", "b1"], "a first call that is not timed"
    assert called[2:] == ["a1", "b1", "b2", "a2", "a1", "b1", "b2", "a2"]
    assert list(timings) == ["a", "b"] and timings["b"].rounds == 2
