"""Command ``sign``: make the verified version of a result, in the name of the person who interpreted it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("sign", help="sign a result: verified report objects, final FHIR bundle")
    parser.add_argument("folder", type=Path, help="result folder of a run on a DICOM series")
    parser.add_argument("--name", required=True, metavar="FAMILY^GIVEN", help="who interpreted the result")
    parser.add_argument("--organization", required=True, help="where the person works")
    parser.add_argument("--statement", default="", help="the interpretation in the person's words")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0.
    """
    from BoneStrengthFEALib.dicom_out import Signature, sign_folder
    from BoneStrengthFEALib.fhir import write_bundle
    from BoneStrengthFEALib.report import read_options
    from BoneStrengthFEALib.results_reading import read_results
    from BoneStrengthFEALib.transmission.service_record import write_service_record

    signature = Signature(arguments.name, arguments.organization, arguments.statement)
    made = sign_folder(arguments.folder, signature)
    pdf = (arguments.folder / "report_signed.pdf").read_bytes()
    made.append(
        write_bundle(read_results(arguments.folder), arguments.folder, pdf, True, read_options(arguments.folder))
    )
    made.append(write_service_record(arguments.folder))
    for path in made:
        print(path.resolve())
    print("to deliver the signed version: bone-strength-fea send FOLDER --to ...")
    return 0
