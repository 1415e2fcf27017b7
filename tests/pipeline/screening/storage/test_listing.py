"""Names, sizes and numbers of a store's files are held to limits before anything is fetched."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from osteolens.errors import ConfigError, ReadError
from pipeline.screening.storage import listing as module
from pipeline.screening.storage.listing import listed, unsafe
from pipeline.screening.storage.store import Store

if find_spec("fsspec") is None:
    pytest.skip("the extra 'storage' is not installed: no store is listed", allow_module_level=True)


class Listed(Store):
    """A store that lists what a test says, by folder."""

    def __init__(self, **folders: list[dict[str, Any]]) -> None:
        super().__init__("memory://films")
        self._folders = folders

    def info(self) -> dict[str, Any]:
        return {"name": self.path, "type": "directory"}

    def entries(self, folder: str) -> list[Any]:
        return self._folders.get(folder.rpartition("/")[2], [])


def file(name: str, size: int | None = 1) -> dict[str, Any]:
    return {"name": name, "type": "file", "size": size, "mtime": 1}


def folder(name: str) -> dict[str, Any]:
    return {"name": name, "type": "directory", "size": 0}


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "/filmsish/a.dcm", "/films/../a.dcm", "/films/..", "/films//a", "/films/a\x00b", "/films/a\nb",
     "/films/a\\..\\b", "/films/" + "a" * 256, "/films/\ud800"],
)  # fmt: skip
def test_a_name_that_is_none_here_is_left_out_with_its_reason(name: str) -> None:
    found = listed(Listed(films=[file(name), file("/films/good.dcm"), folder(f"{name}/")]))
    assert [entry.name for entry in found.files] == ["good.dcm"] and not found.folders
    assert len(found.left_out) == 2 and found.left_out[0][1]
    assert not any(character in found.left_out[0][0] for character in "\n\x00")


def test_hidden_files_and_results_are_empty_here() -> None:
    found = listed(
        Listed(
            films=[file("/films/.hidden"), folder("/films/.git"), folder("/films/out"), file("/films/a.dcm", None)],
            out=[file("/films/out/.osteolens-results"), folder("/films/out/studies")],
        )
    )
    assert {entry.name: entry.path for entry in found.files} == {
        ".hidden": "", "a.dcm": "/films/a.dcm", "out/.osteolens-results": ""
    }  # fmt: skip
    assert found.folders == [".git"] and not found.left_out and found.root == "films"


def test_what_is_too_large_too_deep_twice_or_no_file_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DEPTH", 0)
    entries = [
        file("/films/big.dcm", 2**40),
        file("/films/a"),
        folder("/films/a"),
        folder("/films/sub"),
        file("/films/m/"),
    ]
    found = listed(Listed(films=[*entries, {"name": "/films/pipe", "type": "other"}], sub=[file("/films/sub/x.dcm")]))
    assert [entry.name for entry in found.files] == ["a"]
    assert dict(found.left_out) == {
        "big.dcm": "holds 1,099,511,627,776 bytes, expected at most 536,870,912",
        "a": "a second file or folder of this name",
        "pipe": "no regular file",
        "sub": "more than 0 folders deep",
    }


def test_too_many_files_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 2)
    with pytest.raises(ConfigError, match="memory://films: more than 2 files"):
        listed(Listed(films=[file(f"/films/{k}.dcm") for k in range(3)]))


def test_a_manifest_and_a_large_image_are_refused() -> None:
    class One(Listed):
        def info(self) -> dict[str, Any]:
            return file(self.path, 2**40)

    store = One()
    store.name = "films.csv"
    with pytest.raises(ConfigError, match="a manifest is read from a local file"):
        listed(store)
    store.name = "AP.dcm"
    with pytest.raises(ReadError, match=r"memory://films: holds 1,099,"):
        listed(store)


def test_names_of_files_here() -> None:
    assert unsafe("AP film (2) ä.dcm") is None
    assert unsafe("..") and unsafe("a/b") and unsafe("")
