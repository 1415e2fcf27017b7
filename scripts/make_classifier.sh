#!/usr/bin/env bash
# The head of the classifier further, on patients whom its branches never saw; branches, detector and segmenter stay. Then a
# fresh test cohort whose seed the new weights give, judged once. The new weights lie in RUNS/weights-VERSION; what a stopped
# run made already is not made again. START is a folder of weights to begin with: 2026.11.7 and 2026.11.8 began with 2026.11.6, from which
# its branches come (version control keeps both). Without meshes, '' for ANATOMY_FOLDER takes the built-in bones alone.
# usage: scripts/make_classifier.sh ANATOMY_FOLDER VERSION [DEVICE] [START]
# In the environment: RUNS, the folder to work in (runs); SHARE, the percentage of the patients (100), to see that all of it runs.
set -euo pipefail
anatomy=$1
version=$2
device=${3:-cpu}
start=${4:-weights}
cd "$(dirname "$0")/.."
lens=${LENS:-.venv/bin/osteolens}
runs=${RUNS:-runs}

share() { # of so many patients, rounded up
  echo $((($1 * ${SHARE:-100} + 99) / 100))
}

simulate=("$lens" simulate cohort --device "$device")
features=("$lens" simulate features --device "$device" --weights "$start")
if [ -n "$anatomy" ]; then
  simulate+=(--anatomy "$anatomy")
  features+=(--anatomy "$anatomy")
fi
for finding in implant fracture scoliosis poor_exposure late_dxa; do
  simulate+=(--set "${finding}_fraction=0")
  features+=(--set "population.${finding}_fraction=0")
done
"${simulate[@]}" --out "$runs/drawn45" --sites "training:$(share 1600)" --drawn-systems 128 --seed 45
"${simulate[@]}" --out "$runs/drawn46" --sites "training:$(share 1600)" --drawn-systems 128 --seed 46
"${features[@]}" --out "$runs/features47" --sites "training:$(share 1600)" --drawn-systems 128 --seed 47
"${features[@]}" --out "$runs/features48" --sites training --patients "$(share 200)" --drawn-systems 128 --seed 48
"${simulate[@]}" --out "$runs/drawn-validation" --sites "validation:$(share 260)" --drawn-systems 64 --seed 43
"${simulate[@]}" --out "$runs/drawn-validation2" --sites "validation:$(share 300)" --drawn-systems 64 --seed 44

"$lens" train classifier "$runs"/drawn45 "$runs"/drawn46 "$runs"/drawn-validation "$runs"/drawn-validation2 --out "$runs/classifier" \
  --features "$runs/features47" --features "$runs/features48" --start-from "$start" --device "$device" --resume \
  --set 'resolution_schedule=[[96,0]]' --set l2_sp=true --set 'head_weight_decays=[5.0,10.0,30.0]'

weights=$runs/weights-$version
"$lens" weights assemble "$weights" --release "$version" --classifier "$runs/classifier" --provenance scripts/provenance.json
"${simulate[@]}" --out "$runs/fresh-test" --sites "test1:$(share 310),test2:$(share 310)" --fresh-for "$weights"
"$lens" validate "$runs/fresh-test" --weights "$weights" --out "$runs/fresh-validate"
