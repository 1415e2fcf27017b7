"""A state of a training is what was written, or is refused by name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError, ReadError
from osteolens.training.run_options import RunOptions
from osteolens.training.run_state import RunFiles, read_state, write_state

pytestmark = pytest.mark.train


def test_an_optimiser_comes_back_bit_for_bit(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    write_state(tmp_path / "s", {"optimizer": optimizer.state_dict(), "rows": [{"epoch": 1}], "pair": (1, None)})
    state = read_state(tmp_path / "s")
    assert state["rows"] == [{"epoch": 1}] and state["pair"] == (1, None)
    back = state["optimizer"]
    assert isinstance(back, dict) and back["param_groups"] == optimizer.state_dict()["param_groups"]
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            assert torch.equal(back["state"][number][name], value)


def test_what_is_no_state_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "text").write_text("no tensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "weights")
    for name in ("text", "weights", "none"):
        with pytest.raises(ReadError, match=f"{name}: is no state of a training of this version"):
            read_state(tmp_path / name)
    with pytest.raises(TypeError, match="Path"):
        write_state(tmp_path / "s", {"path": tmp_path})
    assert not (tmp_path / "s").exists()


def test_a_run_whose_state_is_gone_is_told_to_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = RunFiles(tmp_path, {}, RunOptions(resume=True), {}, ["detector.onnx"])
    assert files.resumed() is None and not caplog.messages, "nothing was there"
    (tmp_path / "detector.onnx").touch()
    assert files.resumed() is None
    assert caplog.messages == [f"{tmp_path}: holds a run without its state.safetensors, so the training begins anew"]
    files.save({"epoch": 1})
    assert files.resumed() == {"epoch": 1} and len(caplog.messages) == 1


def test_a_finished_run_is_known_until_a_result_or_a_setting_changes(tmp_path: Path) -> None:
    def files(resume: bool = True, **settings: object) -> RunFiles:
        given = {"epochs": 2, "patience": 3, **settings}
        return RunFiles(tmp_path, given, RunOptions(resume=resume), {"crops": "a"}, ["detector.onnx"])

    (tmp_path / "detector.onnx").write_text("network")
    write_json(tmp_path / "metrics.json", {"validation": {"dice": 0.5, "auc": float("nan")}})
    assert files().finished() is None, "nothing says that it came to its end"
    files().finish()
    found = files().finished()
    assert found is not None and found["dice"] == 0.5 and math.isnan(found["auc"])
    assert files(resume=False).finished() is None
    assert files(patience=4).finished() is None, "it may go on"
    with pytest.raises(ConfigError, match="was made with setting epochs 2, now 3; give what it was made with"):
        files(epochs=3).finished()
    (tmp_path / "detector.onnx").write_text("another")
    assert files().finished() is None
    (tmp_path / "detector.onnx").write_text("network")
    assert files().finished() is not None
    files().resumed()
    assert files().finished() is None, "a run that goes on is not finished"
