"""The machine: processor, and what it reaches in memory bandwidth and in products of matrices by precision."""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.performance.timing import Timing, interleaved
from osteolens.errors import ConfigError
from osteolens.inference.choices import Device, Precision
from osteolens.inference.devices import opener
from osteolens.processes import available_cores

FLAGS = (
    *("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve"),
)
"""Instructions that decide how fast a processor multiplies."""

PACKAGES = ("numpy", "onnxruntime", "openvino", "torch", "ultralytics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a machine reaches.

    Attributes:
        name: of what is done, `copy` or `triad`, or the precision of a product of matrices.
        engine: that does it.
        cores: that it may use.
        best: gigabytes, or thousand millions of operations, a second at the shortest time.
        median: likewise at the median.
    """

    name: str
    engine: str
    cores: int
    best: float
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the times were measured on.

    Attributes:
        processor: its name.
        flags: those of FLAGS that it has.
        cores: that the run may use.
        memory_gib: of the machine.
        load: average load over the minute before the run; None where the system does not say.
        system: operating system.
        packages: versions of what computes.
        bandwidth: of memory, in GB/s.
        arithmetic: of products of matrices, in GFLOP/s; int8 counts operations likewise.
    """

    processor: str
    flags: tuple[str, ...]
    cores: int
    memory_gib: float | None
    load: float | None
    system: str
    packages: dict[str, str]
    bandwidth: tuple[Rate, ...]
    arithmetic: tuple[Rate, ...]


def measured_machine(rounds: int, megabytes: int, side: int) -> Machine:
    """Describe and measure the machine.

    Args:
        rounds: of each measurement.
        megabytes: of each array that is copied; far more than the caches hold.
        side: of the matrices.
    """
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return Machine(
        processor=_cpuinfo("model name") or platform.processor() or platform.machine(),
        flags=tuple(flag for flag in FLAGS if flag in (_cpuinfo("flags") or _cpuinfo("Features")).split()),
        cores=available_cores(),
        memory_gib=_memory_gib(),
        load=load,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        packages=dict(_versions()),
        bandwidth=_bandwidth(rounds, megabytes),
        arithmetic=_arithmetic(rounds, side),
    )


def limit_of(machine: Machine, precision: str, cores: int) -> float | None:
    """Best rate of products of matrices on so many cores at most, whoever reached it, in GFLOP/s."""
    rates = [rate.best for rate in machine.arithmetic if rate.name == precision and rate.cores <= cores]
    return max(rates, default=None)


def has(*packages: str) -> bool:
    """Whether these packages are installed."""
    return all(importlib.util.find_spec(name) is not None for name in packages)


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _counts() -> list[int]:
    """One core and all."""
    return sorted({1, available_cores()})


def _bandwidth(rounds: int, megabytes: int) -> tuple[Rate, ...]:
    """Copy b = a, and triad b = a + s * c in two passes of numpy, in bytes that are read and written."""
    size = megabytes * 2**20 // 8
    a, b, c = (np.full(size, value) for value in (1.0, 2.0, 3.0))
    rates = []
    with ThreadPoolExecutor(max(_counts())) as pool:
        for cores in _counts():
            parts = [slice(size * k // cores, size * (k + 1) // cores) for k in range(cores)]
            calls: dict[str, Callable[[None], object]] = {
                "copy": lambda _, parts=parts: list(pool.map(lambda s: np.copyto(b[s], a[s]), parts)),  # type: ignore[misc]
                "triad": lambda _, parts=parts: list(pool.map(partial(_triad, a, b, c), parts)),  # type: ignore[misc]
            }
            moved = {"copy": 16 * size, "triad": 40 * size}
            rates += _rates(interleaved(calls, [None], rounds), moved, dict.fromkeys(calls, "numpy"), cores)
    return tuple(rates)


def _triad(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], c: npt.NDArray[np.float64], part: slice) -> None:
    np.multiply(c[part], 3.0, out=b[part])
    np.add(a[part], b[part], out=b[part])


def _arithmetic(rounds: int, side: int) -> tuple[Rate, ...]:
    """Square matrices times a constant one, by each engine and precision that is here."""
    rates = []
    for cores in _counts():
        with tempfile.TemporaryDirectory() as folder, ExitStack() as limits:
            limits.enter_context(threadpool_limits(cores))
            calls = _products(Path(folder), side, cores)
            operations = dict.fromkeys(calls, 2 * side**3)
            timings = interleaved(calls, [None], rounds)
            rates += _rates(timings, operations, {name: name.split(" ", 1)[1] for name in calls}, cores)
    return tuple(rates)


def _rates(timings: dict[str, Timing], amounts: dict[str, int], engines: dict[str, str], cores: int) -> list[Rate]:
    return [
        Rate(
            name=name.split(" ", 1)[0],
            engine=engines[name],
            cores=cores,
            best=round(amounts[name] / timing.minimum_ms / 1e6, 1),
            median=round(amounts[name] / timing.median_ms / 1e6, 1),
        )
        for name, timing in timings.items()
    ]


def _products(folder: Path, side: int, cores: int) -> dict[str, Callable[[None], object]]:
    """Calls by precision and engine."""
    numbers = np.random.default_rng(0)
    left = numbers.random((side, side), np.float32)
    right = numbers.random((side, side), np.float32)
    out = np.empty_like(left)
    calls: dict[str, Callable[[None], object]] = {"fp32 numpy": lambda _: np.matmul(left, right, out=out)}
    if not has("onnx"):
        return calls
    plain, whole = folder / "product.onnx", folder / "product_int8.onnx"
    _write_product(plain, right)
    _write_product(whole, np.round(right * 127).astype(np.int8))
    wanted = [("fp32 onnxruntime", Device.CPU, Precision.FP32)]
    if has("openvino"):
        wanted += [(f"{p} openvino", Device.OPENVINO, p) for p in (Precision.FP32, Precision.BF16)]
    for name, device, precision in wanted:
        try:
            network = opener(device, precision, cores)(plain)
        except ConfigError:  # no instructions of this precision
            continue
        calls[name] = lambda _, network=network: network.run({"left": left})  # type: ignore[misc]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    session = onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
    eight = np.round(left * 255).astype(np.uint8)
    calls["int8 onnxruntime"] = lambda _: session.run(None, {"left": eight})
    return calls


def _write_product(path: Path, right: npt.NDArray[np.float32] | npt.NDArray[np.int8]) -> None:
    """A network that multiplies its input by a constant matrix."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    side, is_whole = right.shape[0], right.dtype == np.int8
    kinds = (TensorProto.UINT8, TensorProto.INT32) if is_whole else (TensorProto.FLOAT, TensorProto.FLOAT)
    left, product = (
        helper.make_tensor_value_info(name, kind, [side, side])
        for name, kind in zip(("left", "product"), kinds, strict=True)
    )
    node = helper.make_node("MatMulInteger" if is_whole else "MatMul", ["left", "right"], ["product"])
    graph = helper.make_graph([node], "product", [left], [product], [numpy_helper.from_array(right, "right")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
