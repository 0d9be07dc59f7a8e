"""The report as a reader meets it: built once from the results, drawn by a renderer for HTML and one for PDF."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.report.drawing import Drawing


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Parameters
    ----------
    text
        Words.
    tone
        "plain", "fine", "result", "refused", "caveat", "preliminary" or "signed".
    """

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Facts:
    """Names and values side by side.

    Parameters
    ----------
    items
        Name and value of each.
    """

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    columns
        Headings.
    rows
        Cells.
    widths
        Relative widths of the columns.
    kinds
        Kind of each row, "pass", "warn", "refuse" or empty, which colours its first cell; empty for all plain.
    dense
        Whether it is set small.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]
    kinds: tuple[str, ...] = ()
    dense: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture beside the results.

    Parameters
    ----------
    file
        Name in the result folder.
    caption
        Words.
    """

    file: str
    caption: str


@dataclass(frozen=True)
class Pictures:
    """Pictures in rows.

    Parameters
    ----------
    items
        Pictures.
    columns
        Pictures in a row.
    """

    items: tuple[Picture, ...]
    columns: int = 5


@dataclass(frozen=True)
class Figures:
    """Drawings in rows.

    Parameters
    ----------
    items
        Drawings and their captions.
    columns
        Drawings in a row.
    """

    items: tuple[tuple[Drawing, str], ...]
    columns: int = 2


Block = Paragraph | Facts | Table | Pictures | Figures


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Parameters
    ----------
    title
        Heading; empty for none.
    blocks
        Content.
    starts_page
        Whether it begins a new page on paper.
    """

    title: str
    blocks: tuple[Block, ...]
    starts_page: bool = False


@dataclass(frozen=True)
class View:
    """A whole report.

    Parameters
    ----------
    language
        Code of the language, for example "en".
    title
        Title.
    warning
        What stands on every page.
    sections
        Parts in reading order.
    footer
        What made it and when.
    identity
        Whose report it is, for every page.
    page_of
        How a page is numbered, with {page} and {pages}.
    """

    language: str
    title: str
    warning: str
    sections: tuple[Section, ...]
    footer: str
    identity: str
    page_of: str
