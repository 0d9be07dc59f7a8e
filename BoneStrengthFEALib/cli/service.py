"""Command ``service``: watch for examinations, measure them, send the results back."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = """example of a configuration (TOML):
  home = "state"
  incoming = "incoming"                # a folder per examination, DICOM files in it
  labels = "labels.nii.gz"             # in the examination's folder
  destinations = ["pacs:main"]
  run = ["--numbering", "totalsegmentator", "--label", "vertebrae_L1"]
  port = 8017                          # status page, http://127.0.0.1:8017
  [[reception]]                        # studies sent to us by C-STORE, with their SEG or RTSTRUCT
  callers = ["CT1", "PACS"]            # AE titles that may send
  port = 11112
  aet = "BONEFEA"
  address = "0.0.0.0"                  # default: this machine alone
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "service",
        help="watch a folder or a worklist, run every examination, send results back",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("configuration", type=Path, help="TOML or JSON file")
    parser.add_argument("--until-idle", action="store_true", help="end when nothing is left to run or send")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the service.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0.
    """
    from BoneStrengthFEALib.service import Service, read_service
    from BoneStrengthFEALib.service.status_page import serve

    settings = read_service(arguments.configuration)
    service = Service(settings)
    server = serve(service, settings.port) if settings.port else None
    try:
        service.run_forever(arguments.until_idle)
    finally:
        if server is not None:
            server.shutdown()
    for case in service.cases().values():
        print(f"{case.key}  {case.state}  {case.message}")
    return 0
