#!/usr/bin/env bash
# The classifier anew on drawn X-ray systems, beginning with the shipped one; detector and segmenter stay. Then a fresh
# test cohort whose seed the new weights give, judged once. The new weights lie in runs/weights-VERSION; what a stopped run
# made already is not made again.
# usage: scripts/make_classifier.sh ANATOMY_FOLDER VERSION [DEVICE]
set -euo pipefail
anatomy=$1
version=$2
device=${3:-cpu}
cd "$(dirname "$0")/.."
lens=${LENS:-.venv/bin/osteolens}

eligible=(--set implant_fraction=0 --set fracture_fraction=0 --set scoliosis_fraction=0
  --set poor_exposure_fraction=0 --set late_dxa_fraction=0)
simulate=("$lens" simulate cohort --anatomy "$anatomy" --device "$device" "${eligible[@]}")
"${simulate[@]}" --out runs/drawn --sites training:2000 --drawn-systems 128 --seed 41
"${simulate[@]}" --out runs/drawn2 --sites training:1200 --drawn-systems 128 --seed 42
"${simulate[@]}" --out runs/drawn-validation --sites validation:260 --drawn-systems 64 --seed 43
"${simulate[@]}" --out runs/drawn-validation2 --sites validation:300 --drawn-systems 64 --seed 44

"$lens" train classifier runs/drawn runs/drawn2 runs/drawn-validation runs/drawn-validation2 --out runs/classifier \
  --device "$device" --resume --set 'resolution_schedule=[[96,14]]' --set lr=0.0005

weights=runs/weights-$version
"$lens" weights assemble "$weights" --release "$version" --classifier runs/classifier --provenance scripts/provenance.json
"${simulate[@]}" --out runs/fresh-test --sites test1:310,test2:310 --fresh-for "$weights"
"$lens" validate runs/fresh-test --weights "$weights" --out runs/fresh-validate
