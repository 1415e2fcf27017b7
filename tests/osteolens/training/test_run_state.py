"""A state of a training is what was written, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from osteolens.errors import ReadError
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
