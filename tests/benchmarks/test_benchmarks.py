"""Benchmarks and scripts can be loaded and say how they are used."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests import ROOT

FILES = [
    path
    for folder in ("benchmarks", "scripts")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "\ndef main(" in path.read_text("utf-8")
]
NEEDS = dict.fromkeys(("ct_levels.py", "missing_levels.py", "make_examples.py"), "torch")
NEEDS["make_physics_table.py"] = "spekpy"
"""What imports more than the base install holds."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_script_says_how_it_is_used(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if path.name in NEEDS:
        pytest.importorskip(NEEDS[path.name])
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert f"{path.parent.name}/{path.name}" in (module.__doc__ or "")
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as left:
        module.main()
    assert left.value.code == 0 and "usage:" in capsys.readouterr().out
