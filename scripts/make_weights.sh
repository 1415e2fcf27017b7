#!/usr/bin/env bash
# From nothing to weights/: simulate and audit the cohort, train all stages, evaluate them on the test sites, assemble.
# usage: scripts/make_weights.sh ANATOMY_FOLDER VERSION [DEVICE]
set -euo pipefail
anatomy=$1
version=$2
device=${3:-cpu}
cd "$(dirname "$0")/.."
lens=${LENS:-.venv/bin/osteolens}

simulate=("$lens" simulate cohort --anatomy "$anatomy" --device "$device")
"${simulate[@]}" --out runs/cohort --sites training:2400,validation:300,test1:360,test2:360 --seed 20
"$lens" simulate audit runs/cohort --out runs/audit --anatomy "$anatomy" --device "$device"
"${simulate[@]}" --out runs/wide -n 200 --sites training --variety wide --seed 21
"${simulate[@]}" --out runs/faded -n 200 --sites training --variety faded --seed 22

"${simulate[@]}" --out runs/fractures -n 300 --sites training --set fracture_fraction=0.5 --seed 23
"${simulate[@]}" --out runs/fractures2 -n 700 --sites training --set fracture_fraction=0.5 --seed 24

eligible=(--set implant_fraction=0 --set fracture_fraction=0 --set scoliosis_fraction=0
  --set poor_exposure_fraction=0 --set late_dxa_fraction=0)
"${simulate[@]}" --out runs/more -n 2700 --sites training --seed 25 "${eligible[@]}"
"${simulate[@]}" --out runs/more-validation -n 450 --sites validation --seed 26 "${eligible[@]}"

"$lens" train detector runs/cohort runs/wide runs/faded runs/fractures runs/fractures2 --out runs/detector \
  --device "$device" --set image_px=512 --set renders=1 --set epochs=3 --set lr=0.0008
"$lens" train segmenter runs/cohort runs/fractures runs/fractures2 --out runs/segmenter --device "$device" \
  --set bodies_an_image=3 --set epochs=6   # 2026.11.5: 4 epochs on a part, from the segmenter before (provenance.json)
"$lens" train classifier runs/cohort runs/wide runs/faded runs/fractures runs/fractures2 runs/more runs/more-validation \
  --out runs/classifier --device "$device" --start-from none

parts=(--detector runs/detector --segmenter runs/segmenter --classifier runs/classifier)
"$lens" weights assemble runs/weights-draft --release draft "${parts[@]}"
"$lens" process runs/cohort --site test1,test2 --weights runs/weights-draft --out runs/test-out -q >/dev/null
"$lens" evaluate runs/test-out runs/cohort --json > runs/test.json
"$lens" weights assemble weights --release "$version" "${parts[@]}" \
  --test-classifier runs/test.json --provenance scripts/provenance.json
