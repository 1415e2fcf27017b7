"""osteolens weights: assemble trained stages, show what a folder of weights holds, and check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity
from cli.options import AsJson, Quiet, Verbose
from osteolens.inference.choices import Precision

if TYPE_CHECKING:
    from pipeline.bundle.load import Bundle
    from pipeline.bundle.manifest import Manifest, Record

weights_app = typer.Typer(help="Folders of weights: assemble one, show it, verify it.", no_args_is_help=True)

NO_METRICS = ("epoch", "loss", "minutes")
"""What runs write down beside the metrics of their validation."""

Folder = Annotated[Path | None, typer.Argument(help="Folder of weights; the shipped ones when left out.")]


@weights_app.command("assemble")
def assemble(
    out: Annotated[Path, typer.Argument(help="Folder of weights, made or updated.")],
    release: Annotated[str, typer.Option("--release", help="Name of the whole, which every prediction tells.")],
    detector: Annotated[Path | None, typer.Option(help="Run folder of `osteolens train detector`.")] = None,
    segmenter: Annotated[Path | None, typer.Option(help="Run folder of `osteolens train segmenter`.")] = None,
    classifier: Annotated[Path | None, typer.Option(help="Run folder of `osteolens train classifier`.")] = None,
    test_detector: Annotated[
        Path | None, typer.Option(help="Metrics of the detector on a test cohort, a JSON object.")
    ] = None,
    test_classifier: Annotated[
        Path | None, typer.Option(help="What `evaluate --json` printed of a test cohort; its main figures are kept.")
    ] = None,
    provenance: Annotated[
        Path | None, typer.Option(help="JSON: what each part was trained on, and a notice for the whole.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Put trained stages together. A part without a run stays as it is in OUT, or comes from the shipped weights."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.bundle.assemble import assemble_weights
        from pipeline.bundle.manifest import Part, read_manifest
        from pipeline.bundle.tested import figures_of_test

        runs = {Part.DETECTOR: detector, Part.SEGMENTER: segmenter, Part.CLASSIFIER: classifier}
        tests: dict[Part, Record] = {}
        if test_detector is not None:
            tests[Part.DETECTOR] = _read(test_detector, nan_is_null=True)
        if test_classifier is not None:
            tests[Part.CLASSIFIER] = figures_of_test(_read(test_classifier, nan_is_null=True), test_classifier)
        assemble_weights(
            out,
            release,
            {part: run for part, run in runs.items() if run is not None},
            tests,
            _provenance(provenance) if provenance is not None else None,
        )
        if as_json:
            print_json(_document(read_manifest(out)))
        if not quiet:
            say(f"weights {release} in {out}; use them with --weights {out}")


@weights_app.command("show")
def show(folder: Folder = None, as_json: AsJson = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Show release, licence, files with their SHA-256, and what each part is, was trained on and reached."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.shipped import shipped_weights
        from pipeline.bundle.manifest import read_manifest

        manifest = read_manifest(folder or shipped_weights())
        if as_json:
            print_json(_document(manifest))
        else:
            _print_manifest(manifest)


@weights_app.command("verify")
def verify(
    folder: Folder = None,
    precision: Annotated[
        Precision | None,
        typer.Option("--precision", help="Also screen --cohort in this precision and in fp32, and compare."),
    ] = None,
    cohort: Annotated[
        Path | None, typer.Option("--cohort", help="Folder of a validation cohort with DXA, for --precision.")
    ] = None,
    note: Annotated[
        bool, typer.Option("--note", help="Write into the manifest what was found, so that the precision can be used.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Check every file against its SHA-256, load every network and screen the six examples.

    Exit code 1: not sound, or a precision that misses a bar.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        if (precision is None) != (cohort is None):
            raise typer.BadParameter("give --precision and --cohort together")
        if precision is not None and cohort is not None:
            _verify_precision(folder, precision, cohort, note, as_json, quiet)
            return
        from osteolens.shipped import shipped_weights
        from pipeline.bundle.load import load_bundle
        from pipeline.bundle.manifest import read_manifest

        bundle = load_bundle(folder)
        counts = _classes_of_examples(bundle)
        files = len(read_manifest(folder or shipped_weights()).files)
        if as_json:
            print_json({"release": bundle.version, "files": files, "examples": counts})
        else:
            print_table(
                f"examples with weights {bundle.version}", ["class", "studies"], [list(c) for c in counts.items()]
            )
        if not quiet and not as_json:
            say(f"{files} files match their SHA-256, and every network loads")


def _verify_precision(
    folder: Path | None, precision: Precision, cohort: Path, note: bool, as_json: bool, quiet: bool
) -> None:
    """Screen a cohort in two precisions, say how far they differ, and note it."""
    from cohort.io.folder import index_cohort
    from osteolens.shipped import shipped_weights
    from pipeline.bundle.load import load_bundle
    from pipeline.bundle.manifest import PrecisionRecord, note_precision
    from pipeline.precision.gate import MOST_AUC, MOST_IOU, MOST_T_SCORE, try_precision

    bundle, index = load_bundle(folder), index_cohort(cohort)
    with progress("screening twice", len(index.studies)) as bar:
        gate = try_precision(index, bundle, precision, lambda done, _: bar(done))
    if note:
        note_precision(folder or shipped_weights(), gate.precision, PrecisionRecord.model_validate(gate.as_json()))
    if as_json:
        print_json({"release": bundle.version, "precision": gate.precision, **gate.as_json()})
    else:
        rows: list[list[object]] = [
            ["studies", gate.studies, ""],
            ["studies with another outcome", gate.other_outcomes, 0],
            ["studies with other levels", gate.other_names, 0],
            ["difference of AUC, any class", f"{gate.auc:.4f}", MOST_AUC],
            ["difference of mean IoU", f"{gate.iou:.4f}", MOST_IOU],
            ["difference of T-score, any study", f"{gate.t_score:.3f}", MOST_T_SCORE],
            ["difference of T-score, 95 % of studies", f"{gate.t_score_95:.3f}", ""],
        ]
        print_table(f"weights {bundle.version}: {gate.precision} against fp32", ["what", "found", "at most"], rows)
    if not quiet and not as_json:
        say(f"{gate.precision} {'passes' if gate.passed else 'does not pass'}" + ("; noted" if note else ""))
    if not gate.passed:
        raise typer.Exit(1)


def _classes_of_examples(bundle: Bundle) -> dict[str, int]:
    """How many of the examples got each class, or were rejected.

    Raises:
        WeightsError: a network does not load, or cannot run on what the others give it.
    """
    from cohort.io.folder import index_cohort
    from osteolens.errors import OsteoLensError, WeightsError
    from osteolens.inference.onnx import LOAD_ERRORS
    from osteolens.shipped import shipped_examples
    from pipeline.screening.screener import Screener

    screener = Screener(bundle)
    counts: Counter[str] = Counter()
    for study in index_cohort(shipped_examples()).studies:
        try:
            prediction = screener.screen(study)
        except (OsteoLensError, *LOAD_ERRORS) as error:
            raise WeightsError(f"{bundle.classifier.parent}: the example {study.study_uid} fails ({error})") from error
        counts[prediction.bmd_class or "rejected"] += 1
    if set(counts) == {"rejected"}:
        raise WeightsError(
            f"{bundle.classifier.parent}: every example is rejected; expected classes; train or copy the weights anew"
        )
    return dict(counts)


def _document(manifest: Manifest) -> dict[str, object]:
    """A manifest in short: no settings of trainings; of metrics those of validation, and on test cohorts."""
    record = manifest.models.classifier.recalibration
    return {
        "release": manifest.version,
        "licence": manifest.licence,
        "notice": manifest.notice,
        **({} if record is None else {"recalibration": record.model_dump(mode="json", exclude_none=True)}),
        "files": {name: {"sha256": file.sha256, "bytes": file.bytes} for name, file in manifest.files.items()},
        "models": {
            name.value: {
                "architecture": part.architecture,
                "training": part.training,
                "validation": _validation(part.metrics),
                **({"test": part.metrics["test"]} if "test" in part.metrics else {}),
            }
            for name, part in manifest.models.by_name.items()
        },
    }


def _print_manifest(manifest: Manifest) -> None:
    about = [["release", manifest.version], ["licence", manifest.licence], ["notice", manifest.notice]]
    if (record := manifest.models.classifier.recalibration) is not None:
        simulated = "simulated " if record.in_silico else ""
        whom = f"{record.fitted}, on {record.patients} {simulated}patients; networks of {record.release}"
        about.append(["recalibrated", whom])
    print_table("weights", ["what", "value"], about)
    print_table(
        "files",
        ["file", "SHA-256", "bytes"],
        [[name, file.sha256, file.bytes] for name, file in manifest.files.items()],
    )
    rows = [
        [name.value, part.architecture, part.training, _in_short(_validation(part.metrics))]
        for name, part in manifest.models.by_name.items()
    ]
    print_table("parts", ["part", "architecture", "trained on", "validation"], rows)


def _validation(metrics: Mapping[str, object]) -> dict[str, float]:
    """Metrics of the validation of a run."""
    validation = metrics.get("validation")
    values = validation if isinstance(validation, dict) else {}
    numbers = {name: v for name, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {name: float(v) for name, v in numbers.items() if name not in NO_METRICS}


def _in_short(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in metrics.items())


def _read(path: Path, nan_is_null: bool = False) -> Record:
    """The object of a JSON file."""
    from osteolens.documents.json_document import read_json
    from osteolens.errors import ReadError

    document = read_json(path, nan_is_null=nan_is_null)
    if not isinstance(document, dict):
        raise ReadError(f"{path}: found {type(document).__name__}, expected an object")
    return document


def _provenance(path: Path) -> dict[str, str]:
    """What each part was trained on, in words."""
    from osteolens.documents.json_document import quoted
    from osteolens.errors import ReadError

    known = ("detector", "segmenter", "classifier", "notice")
    texts = {}
    for key, value in _read(path).items():
        if key not in known or not isinstance(value, str):
            raise ReadError(f"{path}: {quoted(key)} is {quoted(value)}; expected {', '.join(known)}, each with a text")
        texts[key] = value
    return texts
