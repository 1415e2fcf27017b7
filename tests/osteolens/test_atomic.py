"""Files are written whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osteolens.atomic import whole_file, write_csv, write_whole
from osteolens.documents.json_document import write_json
from osteolens.errors import OutputError


def test_a_file_that_cannot_be_finished_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(ValueError, match="half way"), whole_file(path) as unfinished:
        unfinished.write_text("half")
        raise ValueError("half way")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_writes_itself_is_renamed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        np.save(stream, np.arange(3))
        assert not path.exists()
    assert np.load(path).tolist() == [0, 1, 2] and list(tmp_path.iterdir()) == [path]


def test_rights_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_whole(tmp_path / "whole", b"")
    rights = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")}
    assert len(rights) == 1, rights


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "a").symlink_to(tmp_path / "other")
    write_whole(tmp_path / "a", "mine")
    assert (tmp_path / "other").read_text() == "other" and (tmp_path / "a").read_text() == "mine"


def test_a_folder_that_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written .*choose another folder or mend its rights"):
        write_whole(tmp_path / "none" / "a.txt", "x")


def test_a_table_and_a_document_hold_what_was_given(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"n": [1, 2], "name": ["a", "b, c"]}))
    assert (tmp_path / "a.csv").read_bytes() == b'n,name\n1,a\n2,"b, c"\n'
    write_json(tmp_path / "a.json", {"auc": float("nan"), "名": [1]})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"auc": None, "名": [1]}
