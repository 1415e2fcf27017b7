"""Bones into density."""

from __future__ import annotations

from cohort.spine import LEVELS, VertebralLevel
from phantom.bones.density import UNNAMED
from phantom.subject.pathology import BODIES, Pathology
from tests.phantom.builders import bones, plain_bones, stand


def test_six_lumbar_bodies_move_the_names_and_four_leave_l5_out() -> None:
    six, four = Pathology(lumbar_count=6), Pathology(lumbar_count=4, sacralised=1.0)
    assert [six.name_of(b) for b in BODIES] == [*BODIES[1:], None]
    assert four.name_of(VertebralLevel.L5) is None and four.name_of(VertebralLevel.L4) is VertebralLevel.L4
    assert [str(b) for b in six.target_bodies] == ["T12", "L1", "L2", "L3"]
    skeleton = bones(six)
    assert (skeleton.owner == UNNAMED).any() and not (skeleton.owner == LEVELS.index(VertebralLevel.T10)).any()


def test_ribs_go_with_a_sixth_lumbar_vertebra() -> None:
    posture = stand(Pathology())
    five, six = plain_bones().frame.density.sum(), bones(Pathology(lumbar_count=6), posture).frame.density.sum()
    assert six < five
