#!/usr/bin/env bash
# From nothing to weights/: simulate, train both stages, test on another seed, assemble. About four hours on two cores.
# The recipe of the shipped weights in one go; they were trained in shorter runs that resumed (scripts/provenance.json).
# usage: scripts/make_weights.sh ANATOMY_FOLDER [DEVICE]
set -euo pipefail
anatomy=$1
device=${2:-cpu}
cd "$(dirname "$0")/.."
lens=${LENS:-.venv/bin/osteolens}

$lens simulate runs/cohort-train -n 520 --seed 1 --site training --anatomy "$anatomy" --device "$device"
$lens simulate runs/cohort-val -n 60 --seed 2 --site validation --anatomy "$anatomy" --device "$device"
$lens simulate runs/cohort-confirm -n 100 --seed 8 --site mixed --anatomy "$anatomy" --device "$device"
$lens simulate runs/cohort-wide -n 260 --seed 4 --site training --variety wide --anatomy "$anatomy" --device "$device"

$lens simulate runs/cohort-faint -n 142 --seed 6 --site training --variety faint --anatomy "$anatomy" --device "$device"

$lens train detector runs/cohort-train --validation runs/cohort-val --out runs/stage1 --device "$device" \
  --set renders=6 --set epochs=2
$lens train detector runs/cohort-train runs/cohort-wide --validation runs/cohort-val --out runs/stage2 \
  --device "$device" --start-from runs/stage1/detector.safetensors --set renders=3 --set epochs=2 --set lr=0.001 --seed 7
$lens train detector runs/cohort-wide runs/cohort-faint --validation runs/cohort-val --out runs/detector \
  --device "$device" --start-from runs/stage2/detector.safetensors --set renders=3 --set epochs=2 --set lr=0.0008 --seed 9
$lens train classifier runs/cohort-train runs/cohort-wide runs/cohort-faint --validation runs/cohort-val --out runs/classifier \
  --device "$device" --set 'stages=[[128, 14], [256, 7]]' --set lr=0.0008

python=${lens%osteolens}python
$python scripts/assemble_weights.py --detector runs/detector --classifier runs/classifier --version draft
$lens process runs/cohort-confirm --out runs/confirm-out --no-resume -q >/dev/null
$lens evaluate runs/confirm-out runs/cohort-confirm --json > runs/confirm.json
$python scripts/assemble_weights.py --detector runs/detector --classifier runs/classifier \
  --version 2026.11 --test runs/confirm.json --provenance scripts/provenance.json
