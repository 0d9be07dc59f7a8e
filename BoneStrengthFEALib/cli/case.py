"""Command ``case``: run an examination another program has written, such as the panel in 3D Slicer."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from BoneStrengthFEALib.case_folder import read_case
from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.cli.run import add_output_arguments, print_results
from BoneStrengthFEALib.output_folder import check_target, filling
from BoneStrengthFEALib.progress import ProgressCallback
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study

STEPS = ("calibration", "measures", "frame", "all")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("case", help="run a case folder (case.json and arrays) written by another program")
    parser.add_argument("case", type=Path, metavar="FOLDER", help="folder with case.json")
    parser.add_argument(
        "--until",
        choices=STEPS,
        default="all",
        help="stop after the calibration (calibration.json), the density measures (measures.csv) or the bones' frames "
        "(frames.json)",
    )
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the case.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    check_target(arguments.out, arguments.overwrite)
    study, settings = read_case(arguments.case)
    with showing_progress(arguments.progress_lines) as progress:
        _STEPS[arguments.until](study, settings, arguments, progress)
    return 0


def _calibration(study: Study, settings: Settings, arguments: argparse.Namespace, progress: ProgressCallback) -> None:
    from BoneStrengthFEALib import calibration
    from BoneStrengthFEALib.results import to_plain

    progress("calibration", 0.0)
    quality = study.quality.accepting(settings.accept)
    quality.raise_if_refused()
    fitted = calibration.calibrate(study.ct, study.tissues or study.labels, study.acquisition, settings.calibration)
    progress("calibration", 1.0)
    _write_json({"calibration": to_plain(fitted), "quality": to_plain(quality)}, "calibration.json", arguments)


def _measures(study: Study, settings: Settings, arguments: argparse.Namespace, progress: ProgressCallback) -> None:
    from BoneStrengthFEALib import pipeline
    from BoneStrengthFEALib.outcome_files import write_measures

    outcome = pipeline.measure(study, settings, progress)
    with filling(arguments.out, arguments.overwrite) as folder:
        write_measures(study, outcome, folder, arguments.images)


def _frames(study: Study, settings: Settings, arguments: argparse.Namespace, progress: ProgressCallback) -> None:
    from BoneStrengthFEALib.anatomy import Site
    from BoneStrengthFEALib.load_case.vertebra_compression import CAP_MM
    from BoneStrengthFEALib.scene_files import specimen_entry
    from BoneStrengthFEALib.target_frame import isolate

    entries = []
    for n, target in enumerate(study.targets):
        progress("frame", n / len(study.targets))
        specimen = isolate(study, target, settings.limb)
        usual = CAP_MM if specimen.site is Site.VERTEBRA else 0.0
        cap = usual if settings.model.cap_mm is None else settings.model.cap_mm
        entries.append(specimen_entry(specimen) | {"label": target.label, "cap_mm": cap})
    names = study.distinct_names([entry["name"] for entry in entries])
    entries = [entry | {"name": name} for entry, name in zip(entries, names, strict=True)]
    progress("frame", 1.0)
    _write_json({"sites": entries}, "frames.json", arguments)


def _all(study: Study, settings: Settings, arguments: argparse.Namespace, progress: ProgressCallback) -> None:
    from BoneStrengthFEALib import pipeline
    from BoneStrengthFEALib.cli.report_arguments import report_options
    from BoneStrengthFEALib.outcome_files import write_outcome
    from BoneStrengthFEALib.scene_files import objects_possible, write_scene
    from BoneStrengthFEALib.service_record import earlier_runs

    outcome = pipeline.run(study, settings, progress)
    runs = 1 + earlier_runs(arguments.out)
    with filling(arguments.out, arguments.overwrite) as folder:
        progress("writing results", 0.0)
        dicom = arguments.dicom or objects_possible(study)
        options = report_options(arguments, outcome.results)
        results = write_outcome(study, outcome, folder, arguments.images, dicom, runs, options)
        write_scene(outcome, folder)
    print_results(results, arguments.out)


def _write_json(data: object, name: str, arguments: argparse.Namespace) -> None:
    from BoneStrengthFEALib.atomic_files import write_text

    with filling(arguments.out, arguments.overwrite) as folder:
        write_text(folder / name, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False))


_STEPS = {"calibration": _calibration, "measures": _measures, "frame": _frames, "all": _all}
