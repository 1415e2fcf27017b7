"""Write phantom/xray/physics.csv, X-ray spectra and mass attenuation, from spekpy and xraydb (pip install both).

Tungsten anode at 12 degrees, 2.8 mm Al and 1 m of air; 4 keV bins. Compositions: ICRU muscle and adipose tissue,
stoichiometric hydroxyapatite, CsI. Run from the repository root: python scripts/make_physics_table.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import spekpy
import xraydb

KVP = (70, 75, 77, 80, 90)
MATERIALS = {
    "muscle": {
        "H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002, "S": 0.003, "Cl": 0.001, "K": 0.004,
    },
    "adipose": {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001},
    "hydroxyapatite": {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020},
    "csi": {"Cs": 0.5115, "I": 0.4885},
}  # fmt: skip


def main() -> None:
    """Compute and write the table."""
    energy = np.arange(18.0, 90.0, 4.0)
    table = pd.DataFrame({"energy_kev": energy})
    for name, parts in MATERIALS.items():
        total = sum(parts.values())
        table[f"{name}_cm2_g"] = [
            sum(
                w / total * float(np.mean(xraydb.mu_elam(e, k * 1e3 + np.linspace(-1900, 1900, 20))))
                for e, w in parts.items()
            )
            for k in energy
        ]
    for kvp in KVP:
        spectrum = spekpy.Spek(kvp=kvp, th=12, dk=1.0)
        spectrum.filter("Al", 2.8)
        spectrum.filter("Air", 1000)
        k, fluence = spectrum.get_spectrum(edges=False)
        binned = np.array([fluence[(k > e - 2) & (k <= e + 2)].sum() for e in energy])
        table[f"fluence_{kvp}"] = binned / binned.sum()
    out = Path("phantom/xray/physics.csv")
    table.to_csv(out, index=False, float_format="%.6g")
    print(table.to_string())


if __name__ == "__main__":
    main()
