"""The picture of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Document = dict[str, Any]

OURS, THEIRS, GREY = "#2a6f97", "#c8553d", "#8d99ae"
ENGINES = {
    "onnxruntime fp32": OURS,
    "onnxruntime int8": "#89c2d9",
    "OpenVINO fp32": "#386641",
    "OpenVINO bf16": "#6a994e",
    "OpenVINO int8": "#a7c957",
}


def write_picture(document: Document, path: Path) -> None:
    """Draw a run: stages, both sides, engines, throughput, time over a run, sizes of radiographs.

    Args:
        document: the run.
        path: PNG to write.
    """
    figure = Figure(figsize=(13, 7.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3).ravel()
    for ax, draw in zip(axes, (_stages, _rivals, _engines, _jobs, _long_run, _sizes), strict=True):
        draw(ax, document)
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set_fontsize(11)
    machine = document["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['cores']} cores ({', '.join(machine['flags'])})", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _stages(ax: Axes, document: Document) -> None:
    stages = (document.get("stages") or document["stages_of_examples"])[::-1]
    colours = [OURS if stage["gflop"] is not None else GREY for stage in stages]
    bars = ax.barh([s["name"] for s in stages], [s["time"]["minimum_ms"] for s in stages], color=colours)
    ax.bar_label(bars, fmt="%.0f", fontsize=8, padding=2)
    ax.tick_params(axis="y", labelsize=8)
    ax.margins(x=0.12)
    ax.set(title="Stages of a study (networks in blue)", xlabel="ms, shortest")


def _rivals(ax: Axes, document: Document) -> None:
    ax.set(title="Ours, and ultralytics + eager torch", ylabel="ms a study, shortest")
    if not document.get("rivals"):
        return
    (rivalry,) = document["rivals"]
    names = list(rivalry["ours"])
    for name, place in zip(names, range(len(names)), strict=True):
        theirs = rivalry["theirs"].get(name, rivalry["theirs"]["detector and classifier"])
        for shift, timing, colour in ((-0.2, rivalry["ours"][name], OURS), (0.2, theirs, THEIRS)):
            bar = ax.bar(place + shift, timing["minimum_ms"], width=0.38, color=colour)
            ax.bar_label(bar, fmt="%.0f", fontsize=8)
    labels = [name.replace("with refinement and quality control", "ours also refines\nand checks") for name in names]
    ax.set_xticks(range(len(names)), [label.replace(" and ", "\nand ", 1) for label in labels], fontsize=8)


def _engines(ax: Axes, document: Document) -> None:
    found = document.get("engines") or []
    networks = list(dict.fromkeys(one["network"] for one in found))
    reference = {one["network"]: one["time"]["minimum_ms"] for one in found if one["engine"] == "onnxruntime fp32"}
    width = 0.8 / max(len(ENGINES), 1)
    for k, (engine, colour) in enumerate(ENGINES.items()):
        speeds = {
            one["network"]: reference[one["network"]] / one["time"]["minimum_ms"]
            for one in found
            if one["engine"] == engine
        }
        places = [networks.index(network) + (k - 2) * width for network in speeds]
        if speeds:
            ax.bar(places, list(speeds.values()), width=width, color=colour, label=engine)
    ax.axhline(1, color=GREY, linewidth=0.8)
    ax.set_xticks(range(len(networks)), networks)
    ax.set_ylim(0, 1.35 * max(ax.get_ylim()[1], 1.0))
    ax.legend(fontsize=7, frameon=False, loc="upper left", ncols=2)
    ax.set(title="Engines and precisions", ylabel="times as fast as onnxruntime fp32")


def _jobs(ax: Axes, document: Document) -> None:
    found = document.get("jobs") or []
    names = [f"--jobs {one['jobs']}" if one["jobs"] else "ultralytics\n+ torch loop" for one in found]
    bars = ax.bar(names, [one["studies_s"] for one in found], color=[OURS if one["jobs"] else THEIRS for one in found])
    ax.bar_label(bars, fmt="%.2f", fontsize=8)
    ax.set(title="Throughput of a folder", ylabel="studies a second")


def _long_run(ax: Axes, document: Document) -> None:
    ax.set(title="Over a run", xlabel="part of the run", ylabel="ms a study")
    if not document.get("long_run"):
        return
    (run,) = document["long_run"]
    shown = {
        "of the clock": (run["ms_a_study"], OURS),
        "of all cores together": (run.get("core_ms_a_study") or [], GREY),
    }
    for name, (times, colour) in shown.items():
        if any(times):
            ax.plot(range(1, len(times) + 1), times, marker="o", color=colour, label=name)
    ax.set_ylim(0, 1.4 * max(max(times, default=0.0) for times, _ in shown.values()))
    ax.legend(fontsize=8, frameon=False, loc="upper right")
    ax.set_title(f"Over a run of {run['studies']:,} studies")


def _sizes(ax: Axes, document: Document) -> None:
    sizes = document.get("sizes") or []
    sides = [one["side_px"] for one in sizes]
    for name, colour in (("reading", GREY), ("screening", OURS)):
        ax.plot(sides, [one[name]["minimum_ms"] for one in sizes], marker="o", color=colour, label=name)
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8, frameon=False)
    ax.set(title="Size of radiographs", xlabel="longer side (px)", ylabel="ms a study, shortest")
