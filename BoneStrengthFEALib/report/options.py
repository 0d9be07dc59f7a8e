"""How a report is to be made: its language, who signed it, what it is compared with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.report.prior import PriorExam
from BoneStrengthFEALib.report.signed import SignedBy
from BoneStrengthFEALib.report.words import ENGLISH, words_of
from BoneStrengthFEALib.results import to_plain
from BoneStrengthFEALib.results_reading import from_plain

FILE = "report_options.json"


@dataclass(frozen=True)
class ReportOptions:
    """Options of a report.

    Parameters
    ----------
    language
        Code of a catalogue.
    prior
        Examination to compare with, or None.
    signed
        Who interpreted it, or None while it is preliminary.
    limits
        "site/measure" to the least significant change of a precision study, in the measure's unit.
    limits_source
        Where the limits come from.
    """

    language: str = ENGLISH
    prior: PriorExam | None = None
    signed: SignedBy | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    limits_source: str = ""

    def __post_init__(self) -> None:
        """Refuse a language without a catalogue."""
        words_of(self.language)


PLAIN = ReportOptions()


def write_options(options: ReportOptions, folder: Path) -> None:
    """Keep options beside the results, so that a report signed later is made the same way.

    Parameters
    ----------
    options
        Options.
    folder
        Result folder; nothing is written for the usual options.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    plain = to_plain(dataclasses.replace(options, signed=None))
    if plain != to_plain(PLAIN) or (folder / FILE).exists():
        write_text(folder / FILE, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")


def read_options(folder: Path) -> ReportOptions:
    """Options a report was made with.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    Options; the usual ones when none were kept.

    Raises
    ------
    InputError
        When the file holds something else.
    """
    path = folder / FILE
    if not path.is_file():
        return PLAIN
    try:
        return from_plain(ReportOptions, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not valid: {error}; remove it and render the report again") from error
