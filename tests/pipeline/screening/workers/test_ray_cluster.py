"""Studies over a local cluster of Ray: the same files as from one process, whatever becomes of a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from cohort.io.folder import index_cohort
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError, OutputError, WeightsError
from osteolens.inference.choices import Device
from osteolens.inference.config import InferenceConfig
from osteolens.progress import Progress, silent
from pipeline.bundle.load import Bundle
from pipeline.prediction import Status
from pipeline.screening.config import Engine, ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.output.rows import COLUMNS, PredictionRow
from pipeline.screening.stored_study import StoredStudy
from pipeline.screening.workers import ray_cluster
from pipeline.screening.workers.ray_cluster import connected
from pipeline.screening.workers.returned import ReturnedStudy, keep_returned
from tests import EXAMPLES
from tests.pipeline.screening.workers.test_processes import files, rows

if find_spec("ray") is None:
    pytest.skip("the extra 'cluster' is not installed: many machines are not tried", allow_module_level=True)

CONFIG = ScreeningConfig(jobs=2, engine=Engine.RAY)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One cluster of this machine for all tests; runs join a cluster that the process is in."""
    with connected(CONFIG, 6):
        yield


def screened(out: Path, bundle: Bundle, config: ScreeningConfig, progress: Progress = silent) -> RunSummary:
    return screen_folder(index_cohort(EXAMPLES), out, bundle, ScreeningOptions(config=config), progress=progress)


def workers() -> list[int]:
    """Processes of the workers that hold models."""
    names = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            names[int(entry.parent.name)] = entry.read_bytes()
        except OSError:
            continue
    return sorted(pid for pid, name in names.items() if name.startswith(b"ray::ScreeningActor"))


def test_two_workers_one_of_them_killed_write_what_one_process_writes(
    bundle: Bundle, tmp_path: Path, cluster: None
) -> None:
    screened(tmp_path / "one", bundle, ScreeningConfig(jobs=1))
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed and len(found := workers()) > 1:
            killed.append(found[-1])
            os.kill(found[-1], signal.SIGKILL)

    shared = screened(tmp_path / "two", bundle, CONFIG, kill)
    assert killed, "a worker was there to be killed"
    assert not shared.stopped and shared.count(Status.FAILED) == 0
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two"), "results and overlays, byte for byte"
    record = read_json(tmp_path / "two" / "run.json")
    assert (record["engine"], record["processes"]) == ("ray", 2)
    again = screened(tmp_path / "two", bundle, CONFIG)
    assert again.resumed == 6, "nothing is screened twice"


def test_a_cluster_that_is_started_here_is_closed_to_others_and_leaves_sigterm_alone(cluster: None) -> None:
    import ray

    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "a run sets its own"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_machine_with_another_version_ends_the_run_by_name(
    bundle: Bundle, tmp_path: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "version", lambda name: "0.0.1")
    with pytest.raises(WeightsError, match=r"a machine of the cluster has OsteoLens .*, expected 0\.0\.1"):
        screened(tmp_path, bundle, CONFIG)


def test_each_worker_has_a_gpu_where_networks_run_on_one(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker for which there is none would wait for ever, and the run with it."""
    import ray

    config = ScreeningConfig(engine=Engine.RAY, inference=InferenceConfig(segmenter=Device.CUDA))
    has = {"CPU": 16.0, "memory": 64.0 * 2**30}
    monkeypatch.setattr(ray, "cluster_resources", lambda: has | {"GPU": 2.0})
    with connected(config, 100) as small:
        assert small.count == 2
    monkeypatch.setattr(ray, "cluster_resources", lambda: has)
    with pytest.raises(ConfigError, match="Ray knows of no GPU"), connected(config, 100):
        pass


def test_files_of_another_study_are_not_written(tmp_path: Path) -> None:
    row = PredictionRow(**dict.fromkeys(COLUMNS, "") | {"study_uid": "1", "status": Status.FAILED})  # type: ignore[arg-type]
    stored = StoredStudy(row=row, made={})
    for name in ("studies/2.json", "../1.json", "studies/../../1.json"):
        with pytest.raises(OutputError, match="no file of this study"):
            keep_returned(ReturnedStudy(stored, {name: b""}), tmp_path / "out")
    assert not list(tmp_path.rglob("*.json"))
