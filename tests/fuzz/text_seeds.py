"""Small tables, annotations and results that the fuzzer begins with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from classify.inputs import SIX
from cohort.spine import View
from tests.predictions import screened, view_result


def cohort_text() -> bytes:
    """cohort.csv of six studies."""
    header = (
        "study_uid,patient_id,age_years,sex,height_cm,weight_kg,t_score,bmd_g_cm2,t_score_L1,dxa_date,site,study_date,"
        "implant,fracture_grade,cobb_deg,exposure,lumbar_count,fractures"
    )
    rows = [
        f"1.2.{k},P{k},{60 + k},{'FM'[k % 2]},16{k},6{k}.5,-{k / 2},0.9{k},-{k}.1,2024-03-0{k + 1},a,2024-02-1{k},none,"
        f"0,{k}.5,good,5,L1:wedge:0.25"
        for k in range(6)
    ]
    return "\n".join([header, *rows, ""]).encode()


def dxa_text() -> bytes:
    """dxa.csv of four scans."""
    rows = [f"P{k // 2},-{k / 2},0.8{k},F,2023-0{k + 1}-15,NHANES,-{k}.2" for k in range(4)]
    return "\n".join(["patient_id,t_score,bmd_g_cm2,sex,dxa_date,dxa_reference,t_score_L2", *rows, ""]).encode()


def rois_text(readers: bool) -> bytes:
    """rois.csv of one study, or readers.csv of two readers."""
    rows = []
    for reader in ("x", "y") if readers else ("",):
        for view in ("AP", "LATERAL"):
            for k in range(4):
                own = f"s1,{view},L{k + 1},10.5,{60 * k},70,{60 * k + 50}"
                rows.append(f"{reader},{own}" if readers else own)
    header = "study_uid,view,level,x0,y0,x1,y1"
    return "\n".join([f"reader,{header}" if readers else header, *rows, ""]).encode()


def outlines_text() -> bytes:
    """A COCO document of two images."""
    images = [{"id": 1, "file_name": "AP.png"}, {"id": 2, "file_name": "LATERAL.png"}]
    categories = [{"id": k, "name": f"L{k}"} for k in range(1, 5)]
    square = [10.0, 10.0, 50.0, 10.0, 50.0, 40.5, 10.0, 40.0]
    annotations: list[dict[str, Any]] = [
        {"id": 10 * i + k, "image_id": i, "category_id": k, "segmentation": [square], "area": 1, "iscrowd": 0}
        for i in (1, 2)
        for k in range(1, 5)
    ]
    annotations[0]["segmentation"] = [square, [60.0, 10.0, 70.0, 10.0, 65.0, 20.0]]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations}).encode()


def result_text(uid: str) -> bytes:
    """One screened study."""
    whole = screened(uid, -1.4)
    views = {view: view_result(view) for view in View}
    ablation = {model.name: whole.probabilities for model in SIX}
    return json.dumps(replace(whole, views=views, input_ablation=ablation).as_json()).encode()
