"""Run the commands that the docs show: first the tutorial, then those of every page in a folder of its own.

Sizes are made small by SMALLER; commands that cannot run here stand in NOT_RUN with the reason. A test holds that every
command of the docs is one or the other.

Usage: python scripts/run_docs.py [--page docs/how-to/review.md] [--work DIR] [--full]
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = "docs/get-started/tutorial.md"

PAGES = (
    *("README.md", "CONTRIBUTING.md", "weights/README.md"),
    *sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts
    ),
)
"""Pages whose commands and Python are run."""

FENCE = re.compile(r"^```(\w+)[ ]*([\w-]*)\n(.*?)^```", re.M | re.S)

NOT_RUN = {
    r"make (demo|test|check|docs|clean)\b": "installs or tests OsteoLens itself; CI does so",
    r"(pip|pipx|python3) ": "installs OsteoLens; CI does so",
    r"scripts/make_classifier.sh": "simulates and trains for hours",
    r"mkdir tutorial": "the run has a folder of its own",
    r"docker ": "needs a container engine",
    r"osteolens node run": "runs until it is stopped; tests/cli/node starts it",
    r"osteolens node status": "needs the queue of a node; tests/cli/node has one",
    r"osteolens process /films": "paths of a server",
    r"osteolens process s3://": "needs a bucket; tests/pipeline/screening/storage has a store in memory",
    r"osteolens simulate .*(--anatomy|CT\.nii\.gz)": "needs bones or a CT of other owners",
    r"osteolens simulate audit": "is about hundreds of patients; tests/pipeline/audit makes a small one",
    r"osteolens reproduce": "trains six networks; tests/pipeline/reproduction trains small ones",
    r"osteolens evaluate-bodies": "needs a public set; tests/pipeline has a made one",
    r"osteolens train all": "is the tutorial's steps in one; tests/cli/training",
    r"osteolens train classifier runs/own": "1,100 patients of a command that needs bones; tests/classify has few",
    r"osteolens train classifier .*paper-column": "takes long; tests/classify/training reads the recipe",
    r"osteolens cohort import (FORMAT|yolo|labelme ANNOTATIONS|dicom-sr)": "needs a delivery; tests/cohort/importers",
    r"osteolens cohort (confirm|check OUT)": "needs an import; tests/cohort/importers and tests/cli have them",
    r"osteolens process OUT --manual-rois OUT/rois-to-confirm": "needs an import; tests/cohort/importers have them",
    r"osteolens train (detector|segmenter) OUT": "needs an import; tests/cli/annotations has one",
    r"osteolens review RESULTS --reader NAME": "needs an import; review is run on its own page",
    r"osteolens cohort assemble TABLES FILMS COHORT --rois ROIS": "needs an import; tests/cohort/delivery",
    r"osteolens process .*--engine ray": "needs a cluster; tests/pipeline/screening/workers starts one",
    r"osteolens process .*(--device cuda|--precision bf16)": "needs a processor for it; tests/osteolens/inference",
    r"osteolens (cohort import buu-lspine|process buu|evaluate-groups)": "needs a public set; tests/cli/known_groups",
    r"osteolens (simulate cohort --fresh-for|(validate|process) runs/fresh)": "780 patients; tests/phantom has some",
    r"osteolens simulate cohort --out runs/(hospital|validation) ": "1,200 patients; tests/phantom make some",
    r"osteolens (simulate features|train classifier .*--features)": "2,000 patients; tests/pipeline/training has three",
    r"python -m benchmarks.(ceiling|arithmetic|few_films|performance)": "hundreds; small ones in tests",
    r"python -m benchmarks.(head_patients|paired_weights)": "hundreds; small ones in tests",
    r"python benchmarks/fine_tuning.py": "trains for an hour; tests/detect/training trains small ones",
    r"osteolens weights recalibrate": "needs some 100 patients; tests/pipeline/recalibration",
    r"osteolens train detector cohort --out runs/corrected": "needs a reader's boxes; tests/cli/review draws them",
    r"osteolens weights verify .*--precision": "needs a validation cohort of some size; tests/pipeline/precision",
}
"""Commands that are not run, by how they begin, and why."""

SMALLER = (
    (r"training:\d+,validation:\d+,test1:\d+(,test2:\d+)?", "training:9,validation:5,test1:6"),
    (r"--sites training:\d+,validation:\d+ ", "--sites training:1,validation:1 "),
    (r"--sites test1:\d+,test2:\d+", "--sites test1:2,test2:1"),
    (r"--site test1,test2", "--site test1"),
    (r"--patients \d+", "--patients 2"),
    (r"--set epochs=\d+", "--set epochs=1"),
    (r"--set renders=\d+", "--set renders=1"),
    (
        r"'resolution_schedule=\[\[64, 3\], \[96, 1\]\]' --set head_epochs=20",
        "'resolution_schedule=[[48,1]]' --set head_epochs=2",
    ),
    (r"(train detector (?!.*epochs=).*)", r"\1 --set epochs=1 --set renders=1"),
    (r"(train segmenter (?!.*epochs=).*)", r"\1 --set epochs=1"),
    (
        r"(train classifier (?!.*(resolution_schedule|few-films)).*)",
        r"\1 --set 'resolution_schedule=[[48, 1]]' --set head_epochs=2",
    ),
    (r"(train classifier .*(?:schedule=\[\]|few-films).*)", r"\1 --set head_epochs=2"),
    (r"(train classifier .*few-films.*)", r"\1 --set head_folds=2"),
    (r"--folds \d+", "--folds 2"),
    (r"--device cuda", "--device cpu"),
    (r" --segmenter runs/segmenter", ""),
    (r"deidentify IN OUT", "deidentify IN DEIDENTIFIED"),
    (r"assemble TABLES FILMS COHORT", "assemble TABLES FILMS ASSEMBLED"),
    (r"(osteolens review (?!.*--export).*)", r"\1 --export exported"),
    (r"(osteolens review .*) --(reader-study|round 2)", r"\1"),
)
"""What a command is turned into: small sizes, devices of this machine, an export in place of a page that is served.

The segmenter is left out of weights: one that was trained from nothing in a minute makes quality control reject all."""


TRAINED: set[str] = set()
"""Commands of training that an earlier page has run; what they wrote is there already, from the tutorial."""


def command_lines(page: str) -> list[str]:
    """Commands of a page's blocks of shell, in their order, comments left out."""
    text = (ROOT / page).read_text("utf-8")
    lines: list[str] = []
    for language, mark, block in FENCE.findall(text):
        if language == "sh" and mark != "no-run":
            lines += [re.sub(r"\s+#.*| +$", "", line).strip() for line in block.replace("\\\n", " ").splitlines()]
    return [re.sub(r" {2,}", " ", line) for line in lines if line and not line.startswith("#")]


def why_not_run(line: str) -> str | None:
    """The reason for which a command is not run, or None."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, line)), None)


def smaller(line: str) -> str:
    """The command as it is run."""
    for pattern, replacement in SMALLER:
        line = re.sub(pattern, replacement, line)
    return line


def run(lines: list[str], folder: Path, full: bool = False) -> None:
    """Run commands in a folder; the first that fails ends it all with its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for line in lines:
        command = line if full else smaller(line)
        if why_not_run(line) or command in TRAINED:
            continue
        if command.startswith("osteolens train"):
            TRAINED.add(command)
        if full and command.startswith("osteolens review") and "--export" not in command:
            continue
        begin = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"{time.monotonic() - begin:6.1f} s  {folder.name}: {command}", flush=True)
        if done.returncode:
            sys.exit(
                f"{folder.name}: {command}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )


def workspace(folder: Path, tutorial: Path) -> None:
    """The files and folders that the pages name, made of the examples and of what the tutorial left."""
    from PIL import Image

    import osteolens as ol

    examples = shutil.ignore_patterns("__pycache__", "*.py", "*.md")
    for name in ("FOLDER", "FILMS", "IN", "examples"):
        shutil.copytree(ROOT / "examples", folder / name, ignore=examples)
    shutil.copytree(ROOT / "examples" / "SIM0011-00002", folder / "STUDY")
    for name, source in {
        "COHORT": "cohort",
        "TEST_FOLDER": "cohort",
        "cohort": "cohort",
        "OUT": "results",
        "out": "results",
    }.items():
        shutil.copytree(tutorial / source, folder / name)
    for name in ("weights", "my-weights"):
        shutil.copytree(tutorial / "weights", folder / name)
    shutil.copytree(tutorial / "runs", folder / "runs")
    for table in ("rois.csv", "readers.csv"):
        shutil.copy(tutorial / "cohort" / table, folder)
    (folder / "key.bin").write_bytes(bytes(range(32)))
    pixels = ol.read_radiograph(folder / "STUDY" / "AP.dcm").pixels
    Image.fromarray((pixels * 255).astype("uint8")).save(folder / "film.png")
    (folder / "manifest.csv").write_text(
        "ap,lateral,patient_id,age_years,sex\nSTUDY/AP.dcm,STUDY/LATERAL.dcm,p1,70,F\n"
    )
    hospital(folder / "TABLES")


def hospital(folder: Path) -> None:
    """A table of the examples as a hospital might deliver it."""
    folder.mkdir()
    with (ROOT / "examples" / "cohort.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (folder / "Patienten.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(["Patienten-Nr.", "Geschlecht", "Alter", "T-Wert LWS", "DXA-Datum"])
        for row in rows:
            sex = {"F": "weiblich", "M": "männlich"}[row["sex"]]
            writer.writerow(
                [row["patient_id"], sex, row["age_years"], row["t_score"].replace(".", ","), row["dxa_date"]]
            )


def run_page(page: str, work: Path, tutorial: Path) -> None:
    """Run the commands of a page in a folder of its own."""
    lines = [line for line in command_lines(page) if not why_not_run(line)]
    if not lines:
        return
    folder = work / page.replace("/", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    workspace(folder, tutorial)
    run(lines, folder)
    shutil.rmtree(folder, ignore_errors=True)


def spent(begin: float) -> str:
    """Time since `begin`, what the commands took of all cores, and the memory of the largest process (Linux)."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    return f"{time.monotonic() - begin:.0f} s, {cpu:.0f} s of CPU, largest process {used.ru_maxrss / 1024:.0f} MiB"


def main() -> None:
    """Run the tutorial, then the commands of the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="append", help="only the tutorial and these pages, as docs/how-to/review.md")
    parser.add_argument("--work", type=Path, help="folder to work in; one that is gone afterwards when left out")
    parser.add_argument("--jobs", type=int, default=2, help="pages that are run side by side")
    parser.add_argument("--full", action="store_true", help="the tutorial alone, in its own sizes")
    given = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        tutorial = work / "tutorial"
        if not (tutorial / "comparison").is_dir():
            tutorial.mkdir(parents=True, exist_ok=True)
            run(command_lines(TUTORIAL), tutorial, given.full)
        print(f"tutorial: {spent(begin)}", flush=True)
        pages = [] if given.full else given.page or [page for page in PAGES if page != TUTORIAL]
        with ThreadPoolExecutor(given.jobs) as pool:
            for done in [pool.submit(run_page, page, work, tutorial) for page in pages]:
                done.result()
    print(f"all: {spent(begin)}")


if __name__ == "__main__":
    main()
