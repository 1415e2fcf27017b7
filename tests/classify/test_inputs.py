"""One spelling of what a classifier is given."""

from __future__ import annotations

import json
import re

import pytest

from classify.files import PARTS
from classify.inputs import FUSIONS, PAIRS, PROJECTIONS, SIX, VIEW_SETS, branch_name
from cli.train import Views
from cohort.spine import View
from osteolens.errors import ReadError
from pipeline.prediction import Prediction
from tests.predictions import screened

NAMES = ["ap-images", "lat-images", "ap-lat-images", "ap-covariates", "lat-covariates", "ap-lat-covariates"]


def test_the_six_models_of_the_paper() -> None:
    assert [inputs.name for inputs in SIX] == NAMES
    assert PROJECTIONS == ("AP", "LAT", "AP and LAT")
    assert [inputs.table for inputs in SIX] == [2, 2, 2, 4, 4, 4]


def test_each_pair_differs_in_one_thing() -> None:
    by_name = {inputs.name: inputs for inputs in SIX}
    assert len(PAIRS) == 7
    for smaller, larger in PAIRS:
        one, other = by_name[smaller], by_name[larger]
        assert (one.views != other.views) != (one.covariates != other.covariates)
        assert len(one.views) <= len(other.views) and one.covariates <= other.covariates


def test_names_of_tensors_and_files_stay() -> None:
    assert list(FUSIONS) == ["both", "ap", "lateral"] and PARTS == ("ap", "lateral", "fusion")
    assert {fusion: len(views) for fusion, views in FUSIONS.items()} == {"both": 2, "ap": 1, "lateral": 1}


def test_the_command_line_names_the_same_sets_of_views() -> None:
    assert {choice.value for choice in Views} == {"+".join(branch_name(view) for view in views) for views in VIEW_SETS}


def test_a_result_knows_no_other_input_sets() -> None:
    document = json.loads(json.dumps(screened("a", -2.0).as_json()))
    document["input_ablation"] = dict.fromkeys(NAMES, document["probabilities"])
    assert list(Prediction.from_json(document).input_ablation) == NAMES
    document["input_ablation"]["lat-ap-images"] = document["probabilities"]
    with pytest.raises(ReadError, match=re.escape("input_ablation.lat-ap-images")):
        Prediction.from_json(document)


def test_views_are_of_the_study() -> None:
    assert {view for views in VIEW_SETS for view in views} == set(View)
