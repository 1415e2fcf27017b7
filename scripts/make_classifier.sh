#!/usr/bin/env bash
# The head of the classifier further, on patients whom its branches never saw; branches, detector and segmenter stay. Then a
# fresh test cohort whose seed the new weights give, judged once. The new weights lie in runs/weights-VERSION; what a stopped
# run made already is not made again. START is a folder of weights to begin with: 2026.11.7 and 2026.11.8 began with 2026.11.6, from which
# its branches come (version control keeps both).
# usage: scripts/make_classifier.sh ANATOMY_FOLDER VERSION [DEVICE] [START]
set -euo pipefail
anatomy=$1
version=$2
device=${3:-cpu}
start=${4:-weights}
cd "$(dirname "$0")/.."
lens=${LENS:-.venv/bin/osteolens}

simulate=("$lens" simulate cohort --anatomy "$anatomy" --device "$device")
features=("$lens" simulate features --anatomy "$anatomy" --device "$device" --weights "$start")
for finding in implant fracture scoliosis poor_exposure late_dxa; do
  simulate+=(--set "${finding}_fraction=0")
  features+=(--set "population.${finding}_fraction=0")
done
"${simulate[@]}" --out runs/drawn45 --sites training:1600 --drawn-systems 128 --seed 45
"${simulate[@]}" --out runs/drawn46 --sites training:1600 --drawn-systems 128 --seed 46
"${features[@]}" --out runs/features47 --sites training:1600 --drawn-systems 128 --seed 47
"${features[@]}" --out runs/features48 --sites training --patients 200 --drawn-systems 128 --seed 48
"${simulate[@]}" --out runs/drawn-validation --sites validation:260 --drawn-systems 64 --seed 43
"${simulate[@]}" --out runs/drawn-validation2 --sites validation:300 --drawn-systems 64 --seed 44

"$lens" train classifier runs/drawn45 runs/drawn46 runs/drawn-validation runs/drawn-validation2 --out runs/classifier \
  --features runs/features47 --features runs/features48 --start-from "$start" --device "$device" --resume \
  --set 'resolution_schedule=[[96,0]]' --set l2_sp=true --set 'head_weight_decays=[5.0,10.0,30.0]'

weights=runs/weights-$version
"$lens" weights assemble "$weights" --release "$version" --classifier runs/classifier --provenance scripts/provenance.json
"${simulate[@]}" --out runs/fresh-test --sites test1:310,test2:310 --fresh-for "$weights"
"$lens" validate runs/fresh-test --weights "$weights" --out runs/fresh-validate
