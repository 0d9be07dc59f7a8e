"""Measure one distal radius or tibia from a script: density and strength of the standard region of HR-pQCT.

Slicer --no-main-window --python-script Resources/Scripts/example_limb.py -- CT SEGMENTATION OUT [radius_left]

CT and SEGMENTATION (.seg.nrrd) are files; the segment's name tells bone and side and is tibia_right when left out. It
should reach the joint surface: the standard region is measured from there.
"""

import sys
from pathlib import Path

import slicer

from BoneStrengthFEA import BoneStrengthFEALogic

SUBJECT = {"sex": "F", "age_years": 71.0}


def main(ct_path, segmentation_path, out, segment="tibia_right"):
    """Load, measure, report; returns the headline strength [N]."""
    from BoneStrengthFEALib.results_reading import read_results
    from BoneStrengthFEALib.settings import Settings
    from BoneStrengthFEALib.settings_override import override

    ct = slicer.util.loadVolume(str(ct_path))
    bones = slicer.util.loadSegmentation(str(segmentation_path))
    # a region that grows with the bone's length is limb.region=relative; here it lies at a fixed distance
    settings = override(Settings(), ["calibration.method=internal-air-fat-muscle", "limb.region=fixed"])
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    BoneStrengthFEALogic().process(ct, (bones, [segment]), None, SUBJECT, settings=settings, outputFolder=folder)
    site = read_results(folder).sites[0]
    for measure in site.bmd:
        print(f"{measure.label}: {measure.value:.1f} {measure.unit}")
    print(f"{site.name}: {site.strengths[0].force_n:.0f} N, report in {folder}")
    return site.strengths[0].force_n


if __name__ == "__main__":
    main(*[word for word in sys.argv[1:] if word != "--"])
    sys.exit(0)
