"""Measure one vertebra from a script.

Slicer --no-main-window --python-script Resources/Scripts/example_vertebra.py -- CT SEGMENTATION OUT
"""

import sys
from pathlib import Path

import slicer

from BoneStrengthFEA import BoneStrengthFEALogic

SEGMENT = "vertebrae_L1"
SUBJECT = {"sex": "F", "age_years": 71.0, "height_m": 1.62, "weight_kg": 63.0}


def main(ct_path, segmentation_path, out):
    """Load, measure, report; returns the headline strength [N]."""
    from BoneStrengthFEALib.results_reading import read_results
    from BoneStrengthFEALib.settings import Settings
    from BoneStrengthFEALib.settings_override import override

    ct = slicer.util.loadVolume(str(ct_path))
    bones = slicer.util.loadSegmentation(str(segmentation_path))
    logic = BoneStrengthFEALogic()
    # every setting of the library is reachable here; 'bone-strength-fea info --settings' lists them
    settings = override(Settings(), ["calibration.method=internal-air-fat-muscle"])
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    logic.process(ct, (bones, [SEGMENT]), None, SUBJECT, settings=settings, outputFolder=folder)
    site = read_results(folder).sites[0]
    print(f"{site.name}: {site.strengths[0].force_n:.0f} N, report in {folder}")
    return site.strengths[0].force_n


if __name__ == "__main__":
    main(*[word for word in sys.argv[1:] if word != "--"])
    sys.exit(0)
