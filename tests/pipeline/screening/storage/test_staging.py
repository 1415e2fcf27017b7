"""A folder at an address: the results of the local folder, resumed after a stop, and nothing left behind."""

from __future__ import annotations

import io
import json
import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.io.folder import index_cohort
from osteolens.errors import ConfigError, OutputError, ReadError
from pipeline.bundle.load import Bundle
from pipeline.screening.config import Engine, ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.storage import staging as module
from pipeline.screening.storage.staging import CHUNK_BYTES, StagedFolder, opened, staged
from tests import EXAMPLES

if find_spec("fsspec") is None:
    pytest.skip("the extra 'storage' is not installed: no store is fetched", allow_module_level=True)

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

ADDRESS = "memory://anna:secret@films"
"""A memory store has no users, so this is a folder of that name; it is told without the first part."""

PATH = "/anna:secret@films"


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An empty store in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that are opened in the store."""
    names: list[str] = []
    plain = MemoryFileSystem._open

    def noted(self: MemoryFileSystem, path: str, *args: Any, **kwargs: Any) -> Any:
        names.append(path)
        return plain(self, path, *args, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "_open", noted)
    return names


def uploaded(folder: Path, store: MemoryFileSystem) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.pipe_file(f"{PATH}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def screened(source: str | Path, out: Path, bundle: Bundle, **settings: Any) -> RunSummary:
    options = ScreeningOptions(config=ScreeningConfig(**{"jobs": 1, "overlays": False, **settings}))
    return screen_folder(source, out, bundle, options)


def files(out: Path) -> dict[str, bytes]:
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    timed = ("run.json", "predictions.csv", "report.html", ".osteolens-results")
    return {
        name: path.read_bytes() for name, path in found.items() if name not in timed and not name.startswith("known_")
    }


def without_seconds(out: Path) -> list[str]:
    return [line.rpartition(",")[0] for line in (out / "predictions.csv").read_text("utf-8").splitlines()]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two studies, a flat image, a damaged one, a table, a hidden file and results of an earlier run."""
    folder = tmp_path / "films"
    for name in ("SIM0011-00002", "SIM0011-00003"):
        shutil.copytree(EXAMPLES / name, folder / name)
    shutil.copy(EXAMPLES / "SIM0011-00005" / "AP.dcm", folder / "AP.dcm")
    (folder / "broken.dcm").write_bytes((EXAMPLES / "SIM0011-00005" / "LATERAL.dcm").read_bytes()[:3000])
    (folder / "loose.png").write_bytes(b"no image")
    (folder / "cohort.csv").write_bytes((EXAMPLES / "cohort.csv").read_bytes())
    (folder / ".hidden").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"x")
    (folder / "former").mkdir()
    (folder / "former" / ".osteolens-results").write_bytes(b"x")
    (folder / "former" / "AP.dcm").write_bytes(b"x")
    return folder


@pytest.mark.parametrize("engine", [Engine.LOCAL, Engine.RAY])
def test_results_are_those_of_the_local_folder(
    engine: Engine, bundle: Bundle, films: Path, store: MemoryFileSystem, tmp_path: Path
) -> None:
    if engine is Engine.RAY and find_spec("ray") is None:
        pytest.skip("the extra 'cluster' is not installed")
    uploaded(films, store)
    screened(films, tmp_path / "local", bundle, overlays=True)
    screened(ADDRESS, tmp_path / "fetched", bundle, overlays=True, engine=engine)
    local = files(tmp_path / "local")
    assert len(local) > 8 and files(tmp_path / "fetched") == local, "byte for byte, and no staging is left"
    assert without_seconds(tmp_path / "fetched") == without_seconds(tmp_path / "local")
    assert not (tmp_path / "fetched" / "staging").exists()
    assert json.loads((tmp_path / "fetched" / "run.json").read_text("utf-8"))["source"] == "memory://films"
    assert not [name for name, content in files(tmp_path / "fetched").items() if b"secret" in content]
    assert screened(ADDRESS, tmp_path / "fetched", bundle, engine=engine).resumed == 3, "all but those that failed"


def test_what_stands_is_not_fetched_again(store: MemoryFileSystem, tmp_path: Path, reads: list[str]) -> None:
    for name in ("a.dcm", "sub/b.dcm", "c.dcm"):
        store.pipe_file(f"{PATH}/{name}", name.encode())

    def fetched() -> dict[str, bytes]:
        reads.clear()
        with staged(ADDRESS, tmp_path) as folder:
            return {
                p.relative_to(folder.path).as_posix(): p.read_bytes() for p in folder.path.rglob("*") if p.is_file()
            }

    first = fetched()
    assert first == {"a.dcm": b"a.dcm", "sub/b.dcm": b"sub/b.dcm", "c.dcm": b"c.dcm"} and len(reads) == 3
    assert fetched() == first and not reads
    (root,) = (tmp_path / "staging").glob("*/films/films")
    (root / "a.dcm").write_bytes(b"damaged")
    (root / "c.dcm").unlink()
    (root / "c.dcm").symlink_to(tmp_path / "elsewhere")
    (root / "foreign").mkdir()
    (root / "foreign" / "d.dcm").write_bytes(b"x")
    with next((tmp_path / "staging").glob("*/fetched.jsonl")).open("a") as journal:
        journal.write('["sub/b')
    assert fetched() == first and sorted(reads) == [f"{PATH}/a.dcm", f"{PATH}/c.dcm"]
    store.pipe_file(f"{PATH}/sub/b.dcm", b"other")
    store.rm(f"{PATH}/a.dcm")
    assert fetched() == {"sub/b.dcm": b"other", "c.dcm": b"c.dcm"} and reads == [f"{PATH}/sub/b.dcm"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_stopped_run_keeps_what_was_fetched_and_goes_on(
    bundle: Bundle, films: Path, store: MemoryFileSystem, tmp_path: Path, reads: list[str]
) -> None:
    uploaded(films, store)

    stopped = threading.Event()

    def stop(done: int, total: int) -> None:
        if done == 1:
            stopped.set()

    options = ScreeningOptions(config=ScreeningConfig(jobs=1, overlays=False))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pipeline.screening.folder.stop_asked", lambda: nullcontext(stopped))
        assert screen_folder(ADDRESS, tmp_path / "out", bundle, options, progress=stop).stopped
    assert (tmp_path / "out" / "staging").is_dir()
    reads.clear()
    assert screened(ADDRESS, tmp_path / "out", bundle).resumed == 1
    assert not reads and not (tmp_path / "out" / "staging").exists()
    screened(films, tmp_path / "local", bundle)
    assert files(tmp_path / "out") == files(tmp_path / "local")


def test_a_store_that_fails_midway_is_told_without_names_and_goes_on(
    store: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("Smith^Anna_1.dcm", "Smith^Anna_2.dcm"):
        store.pipe_file(f"{PATH}/{name}", bytes(CHUNK_BYTES + 1))
    caplog.clear()
    plain = MemoryFileSystem._open

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                logging.getLogger("s3fs").warning("Smith^Anna_2.dcm anna:secret")
                raise ConnectionResetError("Smith^Anna_2.dcm anna:secret")
            return super().read(size)

    def breaking(self: MemoryFileSystem, path: str, *args: Any, **kwargs: Any) -> Any:
        return Breaking(bytes(CHUNK_BYTES + 1)) if path.endswith("2.dcm") else plain(self, path, *args, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "_open", breaking)
    done = CliRunner().invoke(app, ["process", ADDRESS, "--out", str(tmp_path / "out"), "-vv"])
    line = " ".join(done.output.split())
    assert done.exit_code == 1
    assert "memory://films: the store failed while a file was read (ConnectionResetError)" in line
    assert "Smith" not in line and "secret" not in line and "Traceback" not in line
    assert not [record for record in caplog.records if "Smith" in record.getMessage()]
    (root,) = (tmp_path / "out" / "staging").glob("*/films/films")
    assert [path.name for path in root.iterdir()] == ["Smith^Anna_1.dcm"], "whole files alone"
    monkeypatch.setattr(MemoryFileSystem, "_open", plain)
    with staged(ADDRESS, tmp_path / "out") as folder:
        assert len(list(folder.path.iterdir())) == 2


def test_hostile_names_and_large_files_are_listed_as_skipped(
    bundle: Bundle, films: Path, store: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(films, store)
    plain = MemoryFileSystem.ls

    def hostile(self: MemoryFileSystem, path: str, detail: bool = True, **kwargs: Any) -> Any:
        more = [("../../evil.dcm", 1), ("..", 1), ("a\nb.dcm", 1), ("big.dcm", 2**40)] if path == PATH else []
        made = [{"name": f"{PATH}/{name}", "size": size, "type": "file"} for name, size in more]
        return [*plain(self, path, detail, **kwargs), *made, {"name": "/etc/passwd", "size": 1, "type": "file"}]

    monkeypatch.setattr(MemoryFileSystem, "ls", hostile)
    summary = screened(ADDRESS, tmp_path / "a" / "b" / "out", bundle)
    assert len(summary.rows) == 4
    skipped = (tmp_path / "a" / "b" / "out" / "skipped.csv").read_text("utf-8")
    for reason in ("would lead out", "control characters", "holds 1,099,511,627,776 bytes", "lies outside"):
        assert reason in skipped
    assert not list(tmp_path.rglob("evil.dcm")) and "\\nb.dcm" in skipped


def test_a_file_that_is_not_as_listed_ends_the_run(
    store: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe_file(f"{PATH}/a.dcm", b"1234")
    plain = MemoryFileSystem.ls
    size: list[int | None] = [7]

    def other(self: MemoryFileSystem, path: str, detail: bool = True, **kwargs: Any) -> Any:
        return [{**entry, "size": size[0]} for entry in plain(self, path, True, **kwargs)]

    monkeypatch.setattr(MemoryFileSystem, "ls", other)
    with (
        pytest.raises(ReadError, match="memory://films: a file holds 4 bytes, expected the 7"),
        staged(ADDRESS, tmp_path),
    ):
        pass
    size[0] = None
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 3)
    with pytest.raises(ReadError, match="listed without a size"), staged(ADDRESS, tmp_path):
        pass


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    store: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    store.pipe_file(f"{PATH}/a.dcm", b"1234")
    reads.clear()
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**8))
    message = r"memory://films needs 0.00 GB here, but 0.10 GB are free"
    with pytest.raises(OutputError, match=message), staged(ADDRESS, tmp_path):
        pass
    assert not reads


def test_a_folder_of_others_named_staging_is_left_alone(store: MemoryFileSystem, tmp_path: Path) -> None:
    store.pipe_file(f"{PATH}/a.dcm", b"1234")
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "mine").write_text("x")
    with pytest.raises(OutputError, match="holds files of others"), staged(ADDRESS, tmp_path):
        pass
    assert (tmp_path / "staging" / "mine").read_text() == "x"


def test_two_runs_do_not_fetch_into_one_folder(store: MemoryFileSystem, tmp_path: Path) -> None:
    store.pipe_file(f"{PATH}/a.dcm", b"1234")
    message = "another run is writing here"
    with staged(ADDRESS, tmp_path), pytest.raises(OutputError, match=message), staged(ADDRESS, tmp_path):
        pass


def test_a_folder_and_an_image_of_this_machine_are_used_where_they_are(films: Path, tmp_path: Path) -> None:
    with opened(f"file://{films}", tmp_path / "out") as folder:
        assert folder == StagedFolder(path=films) and folder.index() == index_cohort(films)
        folder.remove()
        with pytest.raises(ConfigError, match="is the input folder"):
            folder.index(films)
    assert not (tmp_path / "out").exists() and films.is_dir()


def test_one_image_is_fetched(store: MemoryFileSystem, tmp_path: Path) -> None:
    store.pipe_file("/films/p7/AP.dcm", (EXAMPLES / "SIM0011-00003" / "AP.dcm").read_bytes())
    with staged("memory://films/p7/AP.dcm", tmp_path) as folder:
        (study,) = folder.index().studies
        assert study.ap is not None and study.ap.name == "AP.dcm"


def test_a_dry_run_fetches_into_a_folder_that_is_removed(store: MemoryFileSystem, films: Path, tmp_path: Path) -> None:
    uploaded(films, store)
    done = CliRunner().invoke(app, ["process", ADDRESS, "--out", str(tmp_path / "out"), "--dry-run", "--json"])
    assert done.exit_code == 0 and len(json.loads(done.stdout)["studies"]) == 4
    assert not (tmp_path / "out").exists()


def test_the_command_removes_what_it_fetched(store: MemoryFileSystem, films: Path, tmp_path: Path) -> None:
    store.pipe_file(f"{PATH}/AP.dcm", (films / "AP.dcm").read_bytes())
    done = CliRunner().invoke(app, ["process", ADDRESS, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0 and not (tmp_path / "out" / "staging").exists()
    wrong = CliRunner().invoke(app, ["process", "nothing://bucket", "--out", str(tmp_path / "out")])
    assert wrong.exit_code == 1 and "fsspec knows no nothing://" in " ".join(wrong.output.split())
