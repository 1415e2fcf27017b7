#!/usr/bin/env bash
# Bill of materials of the base install, CycloneDX 1.6 JSON: make_sbom.sh sbom.json
# The last commit is installed into a virtual environment of its own; the tool lies in another, so it is not listed.
set -euo pipefail
if [ $# -ne 1 ]; then
  echo "usage: $0 PATH; expected where to write the bill of materials, such as sbom.json" >&2
  exit 2
fi
target=$(realpath -m "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}
mkdir "$work/source"
git -C "$root" archive HEAD | tar -x -C "$work/source"
"$python" -m venv "$work/osteolens"
"$work/osteolens/bin/python" -m pip install -q "$work/source"
"$work/osteolens/bin/python" -m pip uninstall -q -y pip setuptools
"$python" -m venv "$work/tool"
"$work/tool/bin/python" -m pip install -q 'cyclonedx-bom>=7,<8'
"$work/tool/bin/cyclonedx-py" environment "$work/osteolens/bin/python" \
  --pyproject "$work/source/pyproject.toml" --mc-type application --spec-version 1.6 --output-format JSON \
  --output-reproducible --validate --output-file "$target"
"$work/tool/bin/python" - "$target" <<'PY'
import json
import sys
from pathlib import Path

document = json.loads(Path(sys.argv[1]).read_text("utf-8"))
components = document["components"]
known = sum(bool(part.get("licenses")) for part in components)
print(f"{sys.argv[1]}: CycloneDX {document['specVersion']}, {len(components)} packages, {known} with a licence")
PY
