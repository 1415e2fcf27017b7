#!/usr/bin/env bash
# From nothing to weights/: simulate and audit the cohort, train all stages, judge them on the test sites, assemble.
# usage: scripts/make_weights.sh ANATOMY_FOLDER VERSION [DEVICE]
set -euo pipefail
anatomy=$1
version=$2
device=${3:-cpu}
cd "$(dirname "$0")/.."
lens=${LENS:-.venv/bin/osteolens}
python=${lens%osteolens}python

simulate=("$lens" simulate --anatomy "$anatomy" --device "$device")
"${simulate[@]}" runs/cohort --site training:2400,validation:300,test1:360,test2:360 --seed 20 --audit
"${simulate[@]}" runs/wide -n 200 --site training --variety wide --seed 21
"${simulate[@]}" runs/faint -n 200 --site training --variety faint --seed 22

"$lens" train detector runs/cohort runs/wide runs/faint --out runs/detector --device "$device" \
  --start-from weights/detector.safetensors --set renders=3 --set epochs=3 --set lr=0.0015
"$lens" train classifier runs/cohort --out runs/classifier --device "$device" --set 'stages=[[128,10],[256,9]]'

draft=runs/weights-draft
mkdir -p "$draft"
"$python" scripts/assemble_weights.py --detector runs/detector --classifier runs/classifier --version draft --out "$draft"
"$lens" process runs/cohort --site test1,test2 --weights "$draft" --out runs/test-out -q >/dev/null
"$lens" evaluate runs/test-out runs/cohort --json > runs/test.json
"$lens" evaluate detector runs/test-out runs/cohort --json > runs/test-detector.json
"$python" scripts/assemble_weights.py --detector runs/detector --classifier runs/classifier --version "$version" \
  --test runs/test.json --test-detector runs/test-detector.json --provenance scripts/provenance.json
