"""Entry point of the command line: parse, run one command, turn errors into exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from BoneStrengthFEALib.errors import BoneStrengthError, CancelledError, InputError, RefusedError
from BoneStrengthFEALib.parent_watch import PARENT_VARIABLE, watch
from BoneStrengthFEALib.privacy import Redaction
from BoneStrengthFEALib.version import __version__

EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_CANCELLED = 0, 1, 2, 130


def commands() -> tuple[ModuleType, ...]:
    """Command modules, in the order of the help.

    Returns
    -------
    Modules with add_parser(subparsers) and run(arguments) -> exit code.
    """
    from BoneStrengthFEALib.cli import (
        bmd,
        calibrate,
        case,
        cohort,
        demo,
        export,
        fetch_data,
        gate,
        info,
        microfe,
        precision,
        pseudonymise,
        report,
        retrieve,
        run,
        segment,
        send,
        service,
        sign,
    )

    return (
        run,
        bmd,
        calibrate,
        segment,
        retrieve,
        gate,
        case,
        cohort,
        precision,
        report,
        export,
        sign,
        send,
        service,
        demo,
        pseudonymise,
        fetch_data,
        info,
        microfe,
    )


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with all commands.

    Returns
    -------
    The parser.
    """
    parser = argparse.ArgumentParser(
        prog="bone-strength-fea",
        description="From a clinical CT to bone density, finite-element bone strength and a fracture-risk report.",
        epilog="Research use only; not a medical device. 'bone-strength-fea COMMAND --help' explains a command.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands():
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program name; those of the process when left out.

    Returns
    -------
    0 well done, 1 refused or failed with words, 2 wrong usage, 130 cancelled.
    """
    arguments = build_parser().parse_args(argv)
    if os.environ.get(PARENT_VARIABLE, "").isdecimal():
        watch(int(os.environ[PARENT_VARIABLE]))
    log = logging.StreamHandler()
    log.addFilter(Redaction())
    logging.basicConfig(level=logging.WARNING, handlers=[log])
    # what is unusual in a header is for the gate to say; pydicom says it once per slice
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    try:
        return int(arguments.run(arguments))
    except (CancelledError, KeyboardInterrupt):
        print("cancelled; nothing was written", file=sys.stderr)
        return EXIT_CANCELLED
    except BoneStrengthError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        if isinstance(error, RefusedError) and error.acceptable:
            print(f"to take responsibility for a check: --set accept={error.code}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, InputError) else EXIT_ERROR
