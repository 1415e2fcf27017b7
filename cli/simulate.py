"""osteolens simulate: an in-silico cohort, radiographs of a CT, and the audit of a cohort."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity
from cli.options import AsJson, Config, Device, DryRun, Out, Quiet, Resume, Seed, Set, Verbose, Weights
from phantom.variety import Variety

if TYPE_CHECKING:
    from cohort.in_silico import FreshFor

simulate_app = typer.Typer(
    help="In-silico cohorts: radiographs with DXA of the same bones. No patient, no clinical evidence.",
    no_args_is_help=True,
)

Sites = Annotated[
    str,
    typer.Option(
        "--sites", help="training, validation, test1, test2, mixed, or counts such as training:2000,test1:300."
    ),
]
Anatomy = Annotated[Path | None, typer.Option("--anatomy", help="Folder of bone meshes; built-in bones when left out.")]
Jobs = Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0 takes one a core. Their number changes no bit.")]


Patients = Annotated[
    int | None,
    typer.Option("--patients", "-n", min=1, help="Number of patients; the sum of counts in --sites, or 10."),
]
Spacing = Annotated[float, typer.Option("--spacing-mm", help="Detector pixel in mm.")]
DrawnSystems = Annotated[
    int,
    typer.Option(
        "--drawn-systems",
        min=0,
        help="X-ray systems drawn by parameters for training and for validation; 0 takes the sites' own.",
    ),
]


@simulate_app.command("cohort")
def cohort(
    out: Out,
    patients: Patients = None,
    seed: Seed = 0,
    fresh_for: Annotated[
        str | None,
        typer.Option(
            "--fresh-for",
            metavar="WEIGHTS",
            help="Folder of weights, or `shipped`: their seed, which nobody chose, for a test cohort to judge them.",
        ),
    ] = None,
    sites: Sites = "mixed",
    spacing: Spacing = 0.6,
    anatomy: Anatomy = None,
    variety: Annotated[
        Variety, typer.Option("--variety", help="Domain randomisation; wide or faded to train detectors on.")
    ] = Variety.NONE,
    drawn_systems: DrawnSystems = 0,
    device: Device = "cpu",
    jobs: Jobs = 0,
    config: Config = None,
    set_: Set = None,
    resume: Resume = True,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Simulate AP and lateral radiographs with DXA of the same bones, as DICOM with cohort.csv and rois.csv."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import load_config
        from phantom.cohort import simulate_cohort
        from phantom.plan import SimulationOptions, SimulationPlan, assign_sites
        from phantom.subject.population import PopulationConfig

        fresh = _fresh(fresh_for, seed)
        seed = seed if fresh is None else fresh.seed
        options = SimulationOptions(
            spacing_mm=spacing,
            anatomy=anatomy,
            device=device,
            variety=variety,
            population=load_config(PopulationConfig, config, set_ or ()),
            jobs=_processes(jobs, device),
            resume=resume,
            fresh_for=fresh,
            drawn_systems=drawn_systems,
        )
        plan = SimulationPlan(out=out, patients=patients, seed=seed, sites=sites, options=options)
        count = len(assign_sites(plan))
        if dry_run:
            say(f"would simulate {count} patients of seed {seed} into {out}")
            return
        with progress("simulating", count) as bar:
            simulated = simulate_cohort(out, patients, seed, sites, options, lambda done, _: bar(done))
        if as_json:
            print_json(simulated.as_json())
        elif not quiet:
            new = simulated.simulated
            each = f" ({simulated.seconds / new:.2f} s each)" if new else ""
            say(f"{new} patients simulated{each}, {simulated.present} were there already; cohort: {out}")
            if fresh is not None:
                say(f"seed {seed}, which weights {fresh.release} give; evaluate notes who was judged on this cohort")


@simulate_app.command("features")
def features(
    out: Out,
    patients: Patients = None,
    seed: Seed = 0,
    sites: Sites = "training",
    spacing: Spacing = 0.6,
    anatomy: Anatomy = None,
    drawn_systems: DrawnSystems = 0,
    weights: Weights = None,
    device: Device = "cpu",
    jobs: Jobs = 0,
    config: Config = None,
    set_: Set = None,
    resume: Resume = True,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Simulate patients, keep the classifier's features of them and throw the radiographs away, a hundred at a time.

    `train classifier --features OUT` fits a head on them. Settings: `osteolens config show features`.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import load_config
        from phantom.plan import SimulationOptions, SimulationPlan, assign_sites
        from pipeline.training.feature_stream import FeatureStream, simulate_features

        settings = load_config(FeatureStream, config, set_ or ())
        options = SimulationOptions(
            spacing_mm=spacing,
            anatomy=anatomy,
            device=device,
            jobs=_processes(jobs, device),
            resume=resume,
            drawn_systems=drawn_systems,
        )
        count = len(assign_sites(SimulationPlan(out=out, patients=patients, seed=seed, sites=sites, options=options)))
        if dry_run:
            say(f"would simulate {count} patients of seed {seed} and keep their features in {out}")
            return
        with progress("simulating", count) as bar:
            found = simulate_features(out, patients, seed, sites, options, settings, weights, lambda done, _: bar(done))
        if as_json:
            print_json(found.as_json())
        elif not quiet:
            each = f" ({found.seconds / found.simulated:.2f} s each)" if found.simulated else ""
            say(
                f"{found.simulated} of {found.patients} patients simulated now{each}; features of {found.kept} "
                f"eligible studies, {found.bytes / 1e6:.0f} MB: {out}"
            )


@simulate_app.command("ct")
def ct(
    ct: Annotated[Path, typer.Argument(metavar="CT", help="NIfTI in Hounsfield units.")],
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="Its TotalSegmentator labels, for the boxes.")],
    out: Out,
    sites: Annotated[
        str, typer.Option("--sites", help="Site whose X-ray system takes the images: training, test1 ...")
    ] = "test1",
    seed: Seed = 0,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Reconstruct both views of a labelled CT and add them to a cohort folder, with boxes of its own bodies."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from phantom.ct import simulate_ct
        from phantom.xray.system import SimulatedSite

        if sites not in list(SimulatedSite):
            raise typer.BadParameter(
                f"got {sites!r}; a CT takes one of {', '.join(SimulatedSite)}", param_hint="--sites"
            )
        study = simulate_ct(ct, labels, out, SimulatedSite(sites), seed)
        if as_json:
            print_json({"folder": str(out), "patient_id": study.patient_id, "boxes": study.boxes})
        elif not quiet:
            say(f"both views of {ct.name} with {study.boxes} boxes of whole bodies; cohort: {out}")


@simulate_app.command("audit")
def audit(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder of `osteolens simulate cohort`.")],
    out: Out,
    real: Annotated[
        Path | None, typer.Option("--real", help="Folder of real radiographs to show beside simulated ones.")
    ] = None,
    anatomy: Anatomy = None,
    device: Device = "cpu",
    jobs: Jobs = 0,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Check population, DXA, readers and shortcut learning of a simulated cohort, and write a report."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import load_config
        from pipeline.audit.config import AuditConfig
        from pipeline.audit.plausibility import AuditOptions, audit_cohort

        settings = load_config(AuditConfig, config, set_ or ())
        options = AuditOptions(
            config=settings, real=real, anatomy=anatomy, device=device, jobs=_processes(jobs, device)
        )
        with progress("auditing, %", 100) as bar:
            result = audit_cohort(cohort, out, options=options, progress=lambda done, total: bar(100 * done // total))
        if as_json:
            print_json(result.as_json())
        elif not quiet:
            for name in ("checks", "oracle"):
                table = result.tables[name]
                if len(table):
                    print_table(name, [str(column) for column in table], table.to_numpy().tolist())
            say(f"{result.passed} of {len(result.checks)} checks pass; report: {out / 'report.html'}")


def _fresh(weights: str | None, seed: int) -> FreshFor | None:
    """The weights that a cohort is drawn for, and their seed.

    Raises:
        ConfigError: another seed is given, too.
        WeightsError: the folder holds no sound weights.
    """
    if weights is None:
        return None
    from cohort.in_silico import fresh_for
    from osteolens.errors import ConfigError
    from pipeline.bundle.load import load_bundle

    if seed:
        raise ConfigError(f"--seed {seed} and --fresh-for are given; expected one, since the weights give the seed")
    bundle = load_bundle(None if weights == "shipped" else Path(weights))
    return fresh_for(bundle.version, bundle.hashes)


def _processes(jobs: int, device: str) -> int:
    return jobs or (os.cpu_count() or 1 if device == "cpu" else 1)
