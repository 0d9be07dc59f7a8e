"""Command ``microfe``: strength of an HR-pQCT or micro-CT block with one modulus."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.microfe import DEFAULT_CRITERIA, MicroFeOptions, MicroFeResult, analyse_block
from BoneStrengthFEALib.output_folder import check_target, filling
from BoneStrengthFEALib.results import DISCLAIMER
from BoneStrengthFEALib.scanco_files import is_scanco, read_scanco
from BoneStrengthFEALib.version import __version__
from BoneStrengthFEALib.volume import Quantity, Volume

EXAMPLE = """examples:
  bone-strength-fea microfe RADIUS_SEG.AIM --segmentation --law H1 --out results/radius
  bone-strength-fea microfe RADIUS.AIM --threshold 320 --law H2 --out results/radius
  bone-strength-fea microfe block.nii.gz --threshold 90 --coarsen 2 --out results/block

AIM and ISQ files become mg HA/cm3 by their own calibration (package aimio-py); the threshold is in the image's unit."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "microfe",
        help="strength of an HR-pQCT or micro-CT image with a homogeneous modulus",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="AIM, ISQ, NIfTI, NRRD or MetaImage, cubic voxels")
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--threshold", type=float, help="least value that is bone")
    group.add_argument("--segmentation", action="store_true", help="the image is a segmentation: above 0 is bone")
    parser.add_argument("--law", default="H4", help="homogeneous law: H1, H2 (HR-pQCT) or H4 (micro-CT, default)")
    parser.add_argument("--axis", choices=("k", "j", "i"), default="k", help="axis of the load; default: k, slices")
    parser.add_argument("--coarsen", type=int, default=1, help="voxels along an element's edge; default: 1")
    parser.add_argument(
        "--criterion", action="append", default=[], metavar="ID", help="strength criterion, for example pistoia-2-0.7"
    )
    parser.add_argument("--out", type=Path, required=True, help="result folder")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results in the folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Analyse one image.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    check_target(arguments.out, arguments.overwrite)
    options = MicroFeOptions(
        arguments.threshold,
        arguments.law,
        "kji".index(arguments.axis),
        arguments.coarsen,
        tuple(arguments.criterion) or DEFAULT_CRITERIA,
    )
    result = analyse_block(_read(arguments.image, arguments.segmentation), options)
    with filling(arguments.out, arguments.overwrite) as folder:
        _write(result, options, folder)
    for line in result.strengths:
        print(f"{line.criterion:<20}{line.force_n:>12.4g} N")
    print(
        f"stiffness {result.numbers['stiffness_n_per_mm']:.5g} N/mm, bone {100 * result.numbers['bone_fraction']:.1f} %"
    )
    print(f"written: {arguments.out.resolve()}")
    return 0


def _read(path: Path, segmentation: bool) -> Volume:
    if is_scanco(path):
        return read_scanco(path, native=segmentation)
    # the unit of a grey-value image is its own; only thresholds touch its numbers
    return read_volume(path, Quantity.LABEL if segmentation else Quantity.HU)


def _write(result: MicroFeResult, options: MicroFeOptions, folder: Path) -> None:
    from PIL import Image

    content = {
        "schema": "bonestrengthfea-microfe/1",
        "disclaimer": DISCLAIMER,
        "version": __version__,
        "options": dataclasses.asdict(options),
        "numbers": result.numbers,
        "strengths": [{**dataclasses.asdict(s), "numbers": dict(s.numbers)} for s in result.strengths],
    }
    (folder / "microfe.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    middle = result.strain_percent.shape[1] // 2
    cut = result.strain_percent[::-1, middle]
    top = float(np.nanpercentile(result.strain_percent, 99.0))
    grey = np.where(np.isfinite(cut), 60 + 195 * np.clip(np.nan_to_num(cut) / top, 0, 1), 0).astype(np.uint8)
    factor = max(1, 600 // max(grey.shape))
    Image.fromarray(np.kron(grey, np.ones((factor, factor), dtype=np.uint8))).save(folder / "strain.png")
