"""Data sets of queries and what their answers say."""

from __future__ import annotations

from pydicom.dataset import Dataset

from BoneStrengthFEALib.errors import PacsError
from BoneStrengthFEALib.sources.source import SeriesRecord


def series_identifier(record: SeriesRecord) -> Dataset:
    """Question for a series.

    Parameters
    ----------
    record
        Series.

    Returns
    -------
    Data set of a C-GET or C-MOVE.
    """
    return identifier_of("SERIES", {"StudyInstanceUID": record.study_uid, "SeriesInstanceUID": record.series_uid})


def identifier_of(level: str, keys: dict[str, str]) -> Dataset:
    """Question.

    Parameters
    ----------
    level
        Level of the query.
    keys
        DICOM keyword to value.

    Returns
    -------
    Data set of a query.
    """
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    if any(not value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(identifier, keyword, value or None if keyword.startswith("Number") else value)
    return identifier


def readable(answer: Dataset | None, name: str) -> Dataset:
    """An answer, refused when it could not be read.

    Parameters
    ----------
    answer
        Data set or None.
    name
        Name of the connection.

    Returns
    -------
    The answer.

    Raises
    ------
    PacsError
        PACS_ANSWER.
    """
    if answer is None:
        raise PacsError(f"PACS {name} sends an answer that cannot be read; try again", code="PACS_ANSWER")
    return answer


def text_of(found: Dataset, keyword: str) -> str:
    """Text of an element.

    Parameters
    ----------
    found
        Data set.
    keyword
        Keyword.

    Returns
    -------
    Text, empty when it is missing or damaged.
    """
    try:
        value = found.get(keyword)
    except Exception:
        return ""
    return "" if value is None else str(value).strip()
