"""Radiographs of one body under several exposures."""

from __future__ import annotations

import numpy as np
import torch

from cohort.spine import View
from phantom.patient import build_body
from phantom.subject.pathology import Exposure
from phantom.subject.population import sample_person
from phantom.subject.random_streams import RandomStreams
from phantom.variety import Variety
from phantom.xray.radiograph import ImagedBody, sample_field, take_radiograph
from phantom.xray.system import SYSTEMS, SimulatedSite
from tests.phantom.builders import hospital


def test_poor_exposures_show_in_the_image() -> None:
    body = build_body(sample_person(1, 5), hospital())
    system = SYSTEMS[SimulatedSite.TEST1][0]
    noise, flat = {}, {}
    for exposure in Exposure:
        streams = RandomStreams(np.random.default_rng(0), torch.Generator().manual_seed(0))
        geometry = sample_field(View.AP, body.tissue, system, 0.6, Variety.NONE, streams.numbers)
        image = take_radiograph(ImagedBody(body.skeleton, body.tissue, exposure), system, geometry, streams)
        middle = image.stored[150:450, 60:-60].astype(float)
        noise[exposure] = float(np.median(np.abs(np.diff(middle, axis=1))))
        _, counts = np.unique(image.stored, return_counts=True)
        flat[exposure] = counts.max() / counts.sum()
    assert noise[Exposure.UNDER] > 2 * noise[Exposure.GOOD]
    assert flat[Exposure.OVER] > flat[Exposure.GOOD] + 0.05


def test_half_of_the_abdominal_fields_of_a_variety_reach_further_up() -> None:
    body = build_body(sample_person(1, 5), hospital())
    system = SYSTEMS[SimulatedSite.TEST1][0]

    def heights(variety: Variety) -> list[float]:
        streams = [np.random.default_rng(k) for k in range(40)]
        fields = [sample_field(View.AP, body.tissue, system, 2.0, variety, rng) for rng in streams]
        return [field.centre_mm[1] + float(field.v_mm[0]) for field in fields]

    plain, wide = heights(Variety.NONE), heights(Variety.WIDE)
    changed = sum(a != b for a, b in zip(plain, wide, strict=True))
    assert 10 <= changed <= 30
