"""Tests mirror the house: a folder of the product has one of the same name here."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
WEIGHTS = ROOT / "weights"
