"""The page of the docs that a run gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Document = dict[str, Any]
"""A run as its JSON holds it."""

BUSY = 0.3
"""Average load a core above which a run says that the machine had other work."""

NOTICE = "<!-- written by benchmarks/performance/page.py from the JSON of a run; do not edit -->"


def page_of(document: Document, picture: str = "../images/speed.png") -> str:
    """The page of a run.

    Args:
        document: the run.
        picture: path of its picture from the page.
    """
    parts = [
        _head(document, picture),
        _machine(document),
        *(_stages(document, name) for name in ("stages_of_examples", "stages")),
        _rivals(document),
        _engines(document),
        _jobs(document),
        _long_run(document),
        _growth(document),
        _repeat(document),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(document: Document, picture: str) -> str:
    machine = document["machine"]
    flags = ", ".join(machine["flags"]) or "none of the usual instructions for matrices"
    memory = f", {machine['memory_gib']:g} GiB" if machine["memory_gib"] else ""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    load = "" if machine["load"] is None else f" Average load in the minute before the run: {machine['load']:g}."
    if (machine["load"] or 0) > BUSY * machine["cores"]:
        load += (
            " **The machine had other work.** Threads of torch wait for each other longer there than those of\n"
            "onnxruntime, so ratios against it flatter ours."
        )
    quick = "**A quick run: every step ran once, and its times mean nothing.**\n\n" if document["quick"] else ""
    networks = ("detector", "segmenter", "classifier")
    devices = ", ".join(f"{name} {document['devices'][name]}" for name in networks)
    return f"""# Speed

{NOTICE}

{quick}One run on one machine ({document["measured"]}): {machine["processor"]}, {machine["cores"]} cores{memory}, with
{flags}; {machine["system"]}; {packages}; weights {document["weights"]}.{load}
Networks had {document["threads"]} threads and ran in {document["devices"]["precision"]} on: {devices}.

Times differ from machine to machine, above all by the instructions that it has; ratios within one run differ less.
What is compared took turns, so that other work of the machine met all of it alike. A time is the shortest of the
rounds, with their median beside it, each as a mean over the studies. All studies are in-silico; a study has two views.

![Where the time goes]({picture})"""


def _machine(document: Document) -> str:
    machine = document["machine"]
    rows = [
        (rate["name"], rate["engine"], rate["cores"], unit, f"{rate['best']:g}", f"{rate['median']:g}")
        for unit, rates in (("GB/s", machine["bandwidth"]), ("GFLOP/s", machine["arithmetic"]))
        for rate in rates
    ]
    table = _table(("what", "engine", "cores", "unit", "best", "median"), rows)
    return f"""## The machine

Products of square matrices by precision (int8 counts its operations likewise), and memory bandwidth by copy and triad.
The best product in the precision that networks ran in is the arithmetic limit below.

{table}"""


def _stages(document: Document, name: str) -> str:
    stages = document.get(name)
    if not stages:
        return ""
    of = "the examples" if name.endswith("examples") else "further simulated studies"
    rows = []
    for stage in stages:
        reached = limit = ""
        if stage["gflop"] is not None:
            reached = f"{stage['gflop']:.1f} GFLOP, {stage['gflop_s']:.0f} GFLOP/s"
            limit = f"{100 * _share(stage):.0f} %" if stage["limit_gflop_s"] else ""
        rows.append((stage["name"], *_times(stage["time"]), reached, limit))
    count = stages[0]["time"]["items"]
    said = _said_of_stages(stages)
    return f"""## Stages of {of}

{count} studies. The rows of networks are their runs alone. {said}

{_table(("stage", "shortest (ms)", "median (ms)", "arithmetic", "of the limit"), rows)}"""


def _share(stage: Document) -> float:
    """What a network reaches of the limit."""
    return float(stage["gflop_s"] / stage["limit_gflop_s"])


def _said_of_stages(stages: Sequence[Document]) -> str:
    networks = [stage for stage in stages if stage["gflop"] is not None]
    everything = [stage for stage in stages if stage["name"].startswith("all ")]
    if not networks or not everything or not networks[0]["limit_gflop_s"]:
        return ""
    in_networks = sum(stage["time"]["minimum_ms"] for stage in networks)
    floor = sum(1000 * stage["gflop"] / stage["limit_gflop_s"] for stage in networks)
    total = everything[0]["time"]["minimum_ms"]
    return (
        f"Networks take {100 * in_networks / total:.0f} % of a study without reading and writing, which is "
        f"{total / floor:.1f} times what their arithmetic would take at the limit."
    )


def _rivals(document: Document) -> str:
    if not document.get("rivals"):
        return ""
    (rivalry,) = document["rivals"]
    ours, theirs = rivalry["ours"], rivalry["theirs"]
    rows = []
    for name, timing in ours.items():
        against = theirs.get(name, theirs["detector and classifier"])
        ratios = [f"{against[key] / timing[key]:.2f}" for key in ("minimum_ms", "median_ms")]
        rows.append((name, *_times(timing), *(_times(against)), *ratios))
    first, last = rows[-2], rows[-1]
    heads = ("step", "ours (ms)", "median", "theirs (ms)", "median", "ratio", "of medians")
    return f"""## Against what a user would put together

Theirs: ultralytics' own predict and the classifier in eager torch, with the same weights, the same crops and the same
number of threads, on the same studies. The two classifiers differ by {rivalry["largest_difference"]:g} in a
probability at most. On the same steps ours is **{first[-2]} times as fast** ({first[-1]} by medians). In the last row
ours also refines boxes by the segmenter and checks quality, which theirs lacks: {last[-2]} times as fast with all of
that ({last[-1]} by medians).

{_table(heads, rows)}"""


def _engines(document: Document) -> str:
    engines = document.get("engines") or []
    reference = {one["network"]: one["time"] for one in engines if one["engine"] == "onnxruntime fp32"}
    rows = []
    for one in engines:
        of = reference[one["network"]]
        ratios = [f"{of[key] / one['time'][key]:.2f}" for key in ("minimum_ms", "median_ms")]
        apart = ", ".join(f"{name} {value:.2g}" for name, value in one["differences"].items() if value)
        rows.append((one["network"], one["engine"], *_times(one["time"]), *ratios, apart or "none"))
    heads = ("network", "engine", "shortest (ms)", "median (ms)", "times as fast", "of medians", "largest differences")
    return f"""## Engines and precisions

One run of each network on what studies give it; speed against onnxruntime in fp32, with the largest absolute
difference of each output from it. int8 is static, its ranges from simulated studies; it is measured here, not shipped.

{_table(heads, rows)}"""


def _jobs(document: Document) -> str:
    jobs = document.get("jobs")
    if not jobs:
        return ""
    alone = next(one for one in jobs if one["jobs"] == 1)
    rival = next((one for one in jobs if one["jobs"] == 0), None)
    rows = [
        (
            f"`--jobs {one['jobs']}`" if one["jobs"] else "ultralytics and torch",
            f"{one['studies_s']:.2f}",
            f"{one['median_studies_s']:.2f}",
            f"{one['studies_s'] / alone['studies_s']:.2f}",
            f"{one['studies_s'] / rival['studies_s']:.2f}" if rival else "",
            "" if one["seconds"] is None else f"{one['seconds']:.1f}",
            "" if one["peak_mib"] is None else f"{one['peak_mib']:.0f}",
        )
        for one in jobs
    ]
    loop = (
        " The last row is a loop of what a user would put together over the same files, on all cores, without\n"
        "refinement, pictures and results."
        if rival
        else ""
    )
    heads = (
        "folder of",
        "studies/s",
        "median",
        "against `--jobs 1`",
        "against the loop",
        "whole run (s)",
        "peak memory (MiB)",
    )
    return f"""## Throughput of a folder

{alone["studies"]} studies through `osteolens process`, end to end, with pictures and results; studies a second are
without loading, the whole run is with it. Memory is the resident set of all processes together, in which libraries that
they share count for each.{loop}

{_table(heads, rows)}"""


def _long_run(document: Document) -> str:
    if not document.get("long_run"):
        return ""
    (run,) = document["long_run"]
    (early, early_all), (late, late_all) = run["early_mib"], run["late_mib"]
    growth, growth_all = (b / a - 1 if a else 0.0 for a, b in ((early, late), (early_all, late_all)))
    tenths, of_cores = (", ".join(f"{value:.0f}" for value in run[key]) for key in ("ms_a_study", "core_ms_a_study"))
    return f"""## Many studies

{run["studies"]:,} studies with `--jobs {run["jobs"]}` took {run["seconds"]:,.0f} s. From one tenth of the run to the
next a study took {tenths} ms, and of all cores together {of_cores} ms;
by the latter the slowest tenth is {run["flatness"]:.2f} times the median one. After {run["early_studies"]:,} studies
the program holds {early:.0f} MiB, at the end {late:.0f} MiB ({growth:+.1%}); with its processes {early_all:.0f} and
{late_all:.0f} MiB ({growth_all:+.1%}). The same command over the finished folder took {run["again_seconds"]:.1f} s."""


def _growth(document: Document) -> str:
    indexing, sizes = document.get("indexing") or [], document.get("sizes") or []
    files = [
        (f"{one['files']:,}", f"{one['seconds']:.2f}", f"{1e6 * one['seconds'] / one['files']:.0f}") for one in indexing
    ]
    by_size = [
        (one["side_px"], f"{one['megabytes']:.1f}", *_times(one["reading"]), *_times(one["screening"])) for one in sizes
    ]
    heads = ("longer side (px)", "both files (MB)", "reading (ms)", "median", "screening (ms)", "median")
    return f"""## Growth

Indexing of DICOM files, two a study, of which only headers are read:

{_table(("files", "seconds", "microseconds a file"), files)}

One example, enlarged and stored without compression:

{_table(heads, by_size)}"""


def _repeat(document: Document) -> str:
    return f"""## Measure your machine

```sh
python -m benchmarks.performance --out speed.json --page speed.md --picture speed.png
```

The extras `train` and `openvino` bring the other side and the other engines. This run:
{document["command"]}."""


def _times(timing: Document) -> tuple[str, str]:
    return f"{timing['minimum_ms']:.1f}", f"{timing['median_ms']:.1f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "\n".join(_lines(heads, rows))


def _lines(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
