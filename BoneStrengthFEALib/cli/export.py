"""Command ``export``: the models of an examination as files for other codes, unsolved."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from BoneStrengthFEALib.case_folder import FILE, read_case
from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.cli.settings_arguments import changed, settings_of
from BoneStrengthFEALib.cli.source_arguments import add_query_arguments, local_ct
from BoneStrengthFEALib.cli.study_arguments import add_study_arguments, study_of
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.output_folder import check_target, filling
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study

FORMATS = ("inp", "vtu", "feb")
EXAMPLE = """example:
  bone-strength-fea export ct.nii.gz --labels femur.nii.gz --label 1 --site femur --side right --tissues total.nii.gz \\
      --set model.load_case=femur-stance --format inp --format feb --out model

Takes the same examination and settings as 'run', or a case folder. Per bone it writes NAME.inp (CalculiX, Abaqus),
NAME.vtu (VTK: moduli, regions, boundary conditions) or NAME.feb (FEBio 4), and models.json, which says what they hold.
With --nonlinear the .inp has yield stresses and one step per point of the loading, where CalculiX knows the law."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "export",
        help="write the finite-element models for CalculiX, Abaqus, VTK or FEBio",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_arguments(parser, required=False)
    add_query_arguments(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--format", action="append", choices=FORMATS, required=True, help="repeat for several")
    output.add_argument("--steps", type=int, default=10, help="load steps of a nonlinear .inp (10)")
    output.add_argument("--out", type=Path, required=True, help="folder for the files")
    output.add_argument("--overwrite", action="store_true", help="replace earlier files in the folder")
    output.add_argument("--progress-lines", action="store_true", help="print progress as lines for a parent process")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export the models.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.

    Raises
    ------
    InputError
        When the examination is not described.
    """
    if arguments.steps < 1:
        raise InputError(f"--steps must be at least 1, got {arguments.steps}")
    check_target(arguments.out, arguments.overwrite)
    if (arguments.ct / FILE).is_file():
        study, settings = read_case(arguments.ct)
        _export(study, changed(settings, arguments), arguments)
        return 0
    if arguments.labels is None:
        raise InputError("say which bones: --labels FILE; or give a case folder with a case.json")
    with local_ct(arguments) as local:
        _export(study_of(local), settings_of(arguments), arguments)
    return 0


def _export(study: Study, settings: Settings, arguments: argparse.Namespace) -> None:
    from BoneStrengthFEALib.export.study_models import export_models

    formats = tuple(dict.fromkeys(arguments.format))
    with showing_progress(arguments.progress_lines) as progress, filling(arguments.out, arguments.overwrite) as folder:
        written = export_models(study, settings, folder, formats, arguments.steps, progress)
        text = json.dumps(written, indent=1, ensure_ascii=False) + "\n"
        (folder / "models.json").write_text(text, encoding="utf-8")
    for entry in written["models"]:
        print(f"{entry['bone']}: {entry['elements']} elements, {entry['load_case']}: {', '.join(entry['files'])}")
    print(f"models: {arguments.out.resolve()}")
