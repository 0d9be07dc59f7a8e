"""Density measures of the digital spine phantom and the digital hip against their exact values, by voxel size.

``python -m benchmarks.density --picture FILE.png`` prints a table in Markdown and draws the error curves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.anatomy import Specimen, identify, prepare
from BoneStrengthFEALib.bmd import HipComparison, measure, measure_hip, measured_mask, restore, scan_hip
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.hip_phantom import exact_hip, hip_scan
from BoneStrengthFEALib.synthetic.spine_phantom import VERTEBRAE, PhantomVertebra
from BoneStrengthFEALib.synthetic.vertebra import pose
from BoneStrengthFEALib.volume import Quantity, Volume

VOXELS_MM = (0.5, 1.0, 1.5, 3.0)
POSES = ((4.0, -3.0, 7.0), (-6.0, 5.0, 21.0))
HIP = SyntheticFemur(cortex_mm=2.0)
Errors = dict[str, dict[float, float]]
CURVES = {
    "trabecular_vbmd": "trabecular vBMD",
    "integral_vbmd": "integral vBMD",
    "cortical_vbmd": "cortical vBMD",
    "femoral_neck_abmd": "femoral neck aBMD",
    "total_hip_abmd": "total hip aBMD",
}
"""What the picture shows."""


def vertebra_measures(
    vertebra: PhantomVertebra, angles: tuple[float, float, float], voxel_mm: float, piece_mm: float = 0.25
) -> dict[str, float]:
    """Measure one vertebra of the phantom.

    Parameters
    ----------
    vertebra, angles, voxel_mm
        Which, its pose [degrees] and the edge of the voxels.
    piece_mm
        Edge of the pieces a voxel is sampled in.

    Returns
    -------
    Measure id to value, the body being given; with "found_" before the id where the body was found by shape, with
    "restored_" where the mineral of the rim was given back.
    """
    density, labels, body = vertebra.scan(pose(angles, (3.3, -41.7, 120.4)), (voxel_mm,) * 3, piece_mm)
    fit = Calibration("phantom-linear", Quantity.CAHA, (0.0, 1.0))
    specimen = prepare(labels, 1, identify(labels, 1), body)
    given = measure(density, specimen, fit)
    found = measure(density, _specimen(labels), fit)
    whole = measure(_whole(density, specimen), specimen, fit)
    return {
        f"{words}{m.id}": m.value
        for words, measures in (("", given), ("found_", found), ("restored_", whole))
        for m in measures
    }


def hip_measures(
    bone: SyntheticFemur, angles: tuple[float, float, float], voxel_mm: float, piece_mm: float = 0.25
) -> dict[str, float]:
    """Measure the digital hip.

    Parameters
    ----------
    bone, angles, voxel_mm
        Shape, pose [degrees] and edge of the voxels.
    piece_mm
        Edge of the pieces a voxel is sampled in.

    Returns
    -------
    Measure id to value; with "restored_" before the id where the mineral of the rim was given back.
    """
    density, labels = hip_scan(bone, pose(angles, (91.3, -38.2, 255.1)), (voxel_mm,) * 3, piece_mm=piece_mm)
    specimen = _specimen(labels)
    fit = Calibration("phantom-linear", Quantity.K2HPO4, (0.0, 1.0))
    values: dict[str, float] = {}
    for words, content in (("", density), ("restored_", _whole(density, specimen))):
        areal = measure_hip(content, specimen, fit, HipComparison(), scan_hip(content, specimen))
        values |= {words + m.id: m.value for m in (*measure(content, specimen, fit), *areal)}
    return values


def main() -> None:
    """Measure everything, print the table and draw the curves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--piece", type=float, default=0.25)
    parser.add_argument("--voxels", type=float, nargs="+", default=VOXELS_MM)
    chosen = parser.parse_args()
    tables: dict[str, Errors] = {}
    for vertebra in VERTEBRAE:
        runs = {
            h: [vertebra_measures(vertebra, angles, h, min(chosen.piece, h / 3)) for angles in POSES]
            for h in chosen.voxels
        }
        tables[f"{vertebra.level}, {vertebra.core_mg_cm3:g} mg/cm3"] = _report(
            f"spine phantom {vertebra.level}", _with_found(vertebra.exact()), runs
        )
    hips = {h: [hip_measures(HIP, angles, h, min(chosen.piece, h / 2)) for angles in POSES] for h in chosen.voxels}
    tables["hip"] = _report("hip", exact_hip(HIP) | _restored(exact_hip(HIP)), hips)
    if chosen.picture:
        _draw(tables, chosen.picture)


def _whole(density: Volume, specimen: Specimen) -> Volume:
    own = measured_mask(specimen)
    return restore(density, own, np.asarray((specimen.regions.array != 0) & ~own)).density


def _with_found(exact: dict[str, float]) -> dict[str, float]:
    found = {f"found_{name}": exact[name] for name in ("trabecular_ellipse_vbmd", "integral_vbmd", "volume")}
    return exact | found | _restored(exact)


def _restored(exact: dict[str, float]) -> dict[str, float]:
    moved = [name for name in exact if name.endswith(("bmc", "abmd")) or name.startswith(("integral", "cortical"))]
    return {f"restored_{name}": exact[name] for name in moved}


def _specimen(labels: LabelMap) -> Specimen:
    return prepare(labels, 1, identify(labels, 1))


def _report(title: str, exact: dict[str, float], runs: dict[float, list[dict[str, float]]]) -> Errors:
    print(f"| {title} | exact | " + " | ".join(f"{h:g} mm" for h in runs) + " |")
    print("|---" * (len(runs) + 2) + "|")
    errors: Errors = {}
    for name, truth in exact.items():
        errors[name] = {h: 100 * (float(np.mean([r[name] for r in rows])) / truth - 1) for h, rows in runs.items()}
        cells = " | ".join(
            f"{e:+.1f} % ({min(r[name] for r in runs[h]):.4g} to {max(r[name] for r in runs[h]):.4g})"
            for h, e in errors[name].items()
        )
        print(f"| {name} | {truth:.4g} | {cells} |", flush=True)
    print()
    return errors


def _draw(tables: dict[str, Errors], path: Path) -> None:
    """Errors by voxel size: full lines as reported by default, dashed lines as they are otherwise."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(3.6 * len(tables), 4.2), sharey=True, constrained_layout=True)
    for axis, (title, errors) in zip(axes, tables.items(), strict=True):
        for number, (name, words) in enumerate(CURVES.items()):
            # by default the hip's areal density and a body's restored content hold the mineral of the rim
            restored = name.endswith("abmd")
            for curve, style, label in (
                (errors.get(name), "--" if restored else "-", f"{words}, rim left out" if restored else words),
                (
                    errors.get(f"restored_{name}"),
                    "-" if restored else "--",
                    words if restored else f"{words}, with rim",
                ),
            ):
                if curve is not None:
                    axis.plot(
                        list(curve), list(curve.values()), style, color=f"C{number}", marker="o", ms=3, label=label
                    )
        axis.axhline(0.0, color="black", linewidth=0.6)
        axis.set(title=title, xlabel="voxel (mm)", xticks=list(next(iter(errors.values()))))
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8)
    axes[0].set_ylabel("error of the measure (%)")
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
