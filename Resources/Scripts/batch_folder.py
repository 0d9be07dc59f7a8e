"""Measure every case of a folder with Slicer's readers and the module's Logic, without a window.

    Slicer --no-splash --no-main-window --python-script Resources/Scripts/batch_folder.py -- IN OUT [--settings FILE]

Each folder in IN is a case and holds a CT (ct.* or the only image that is no label map) and a segmentation
(labels.* or *.seg.nrrd); optional tissues.* and bodies.*, and subject.json with sex, age_years, height_m, weight_kg.
Label maps without names are read with TotalSegmentator's numbering. OUT gets a folder with report for each case and
summary.csv. Cases that are done are skipped, so a run can be resumed. Exit code: 0 all done, 1 some failed, 2 usage.
"""

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path

import slicer

IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
COLUMNS = ("case", "status", "site", "failure_load_n", "criterion", "trabecular_density_mg_cm3", "class", "message")


def images(folder):
    """Image files of a case."""
    return [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(IMAGE_SUFFIXES)]


def named(folder, word):
    """The image whose name starts with a word, or None."""
    return next((path for path in images(folder) if path.name.lower().startswith(word)), None)


def load_segmentation(path, ct):
    """Segmentation node of a .seg.nrrd, or of a label map by TotalSegmentator's numbering."""
    if path.name.lower().endswith(".seg.nrrd"):
        return slicer.util.loadSegmentation(str(path))
    from BoneStrengthFEAPanel.to_nodes import segmentationFromLabels

    from BoneStrengthFEALib.image_files import read_volume
    from BoneStrengthFEALib.label_map import LabelMap
    from BoneStrengthFEALib.label_names import label_names
    from BoneStrengthFEALib.volume import Quantity

    labels = LabelMap(read_volume(path, Quantity.LABEL), label_names("totalsegmentator"))
    return segmentationFromLabels(labels, ct, path.name)


def load_ct(path):
    """Volume node of the CT, exactly as the command line reads it."""
    from BoneStrengthFEAPanel.to_nodes import volumeFromLibrary

    from BoneStrengthFEALib.image_files import read_volume
    from BoneStrengthFEALib.volume import Quantity

    return volumeFromLibrary(read_volume(path, Quantity.HU), "CT")


def process(logic, folder, out, settings):
    """One case: load, measure, report; returns its rows of the summary."""
    from BoneStrengthFEALib.errors import InputError
    from BoneStrengthFEALib.results_reading import read_results

    slicer.mrmlScene.Clear()
    labels = named(folder, "labels") or next((p for p in images(folder) if p.name.endswith(".seg.nrrd")), None)
    others = [p for p in images(folder) if p != labels and not p.name.lower().startswith(("tissues", "bodies"))]
    ct_path = named(folder, "ct") or (others[0] if len(others) == 1 else None)
    if ct_path is None or labels is None:
        raise InputError("a case folder needs ct.nii.gz and labels.nii.gz (or a .seg.nrrd)")
    ct = load_ct(ct_path)
    bones = load_segmentation(labels, ct)
    tissues, bodies = named(folder, "tissues"), named(folder, "bodies")
    names = [name for name in logic.segmentNames(bones).values() if logic.isAnalysable(name)]
    if not names:
        raise InputError("no segment has a name that tells a bone, such as vertebrae_L1 or femur_left")
    subject = folder / "subject.json"
    options = {"settings": settings, "bodyNode": load_segmentation(bodies, ct) if bodies else None}
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".partial-") as working:
        target = Path(working) / "case"
        target.mkdir()
        logic.process(
            ct,
            (bones, names),
            load_segmentation(tissues, ct) if tissues else None,
            json.loads(subject.read_text(encoding="utf-8")) if subject.is_file() else None,
            outputFolder=target,
            **options,
        )
        # a case is there whole or not at all: this is what makes resuming safe
        target.replace(out)
    return summary(folder.name, read_results(out))


def summary(case, results):
    """Rows of a finished case."""
    rows = []
    for site in results.sites:
        first = site.strengths[0] if site.strengths else None
        density = f"{site.bmd[0].value:.2f}" if site.bmd else ""
        classes = site.risk[0].classification if site.risk else ""
        force = f"{first.force_n:.3f}" if first else ""
        criterion = first.criterion if first else ""
        rows.append((case, "done", site.name, force, criterion, density, classes, ""))
    return rows


def main(arguments):
    """Run all cases; returns the exit code."""
    parser = argparse.ArgumentParser(prog="batch_folder.py", description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--settings", type=Path, help="TOML or JSON file with settings of the library")
    parser.add_argument("--install", action="store_true", help="install missing Python packages without asking")
    options = parser.parse_args([word for word in arguments if word != "--"])
    if not options.input.is_dir():
        print(f"{options.input} is no folder", file=sys.stderr)
        return 2
    from BoneStrengthFEA import BoneStrengthFEALogic
    from BoneStrengthFEALib.atomic_files import replacing
    from BoneStrengthFEALib.errors import BoneStrengthError
    from BoneStrengthFEALib.results_reading import read_results
    from BoneStrengthFEALib.settings import read_settings

    logic = BoneStrengthFEALogic()
    if not (logic.ensurePackages(ask=False) if options.install else not logic.missingPackages()):
        print(f"missing packages: {', '.join(logic.missingPackages())}; give --install", file=sys.stderr)
        return 2
    settings = read_settings(options.settings) if options.settings else None
    options.output.mkdir(parents=True, exist_ok=True)
    rows, failed = [], 0
    for folder in sorted(path for path in options.input.iterdir() if path.is_dir()):
        out = options.output / folder.name
        try:
            done = (out / "results.json").is_file()
            print(f"{folder.name}: {'done before' if done else 'running'}", flush=True)
            rows += summary(folder.name, read_results(out)) if done else process(logic, folder, out, settings)
        except (BoneStrengthError, OSError, ValueError) as error:
            failed += 1
            print(f"{folder.name}: {error}", file=sys.stderr, flush=True)
            rows.append((folder.name, "failed", "", "", "", "", "", str(error)))
    path = options.output / "summary.csv"
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    print(f"{len(rows)} rows in {path}, {failed} cases failed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
