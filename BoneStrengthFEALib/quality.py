"""The quality report: one line per check, each a pass, a warning or a refusal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from BoneStrengthFEALib.errors import RefusedError


class Outcome(Enum):
    """Verdict of one check."""

    PASS = "pass"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True)
class QualityLine:
    """One check.

    Parameters
    ----------
    check
        Stable upper-case code, for example ``KVP`` or ``TISSUE_WINDOW``.
    outcome
        Verdict.
    found
        What was found, with unit.
    expected
        What was expected, with unit.
    action
        What to do when the verdict is not a pass.
    """

    check: str
    outcome: Outcome
    found: str
    expected: str
    action: str = ""


@dataclass(frozen=True)
class QualityReport:
    """All checks of one examination or one bone.

    Parameters
    ----------
    lines
        The checks, in the order they were made.
    """

    lines: tuple[QualityLine, ...] = ()

    @property
    def refused(self) -> tuple[QualityLine, ...]:
        """Lines that refuse."""
        return tuple(line for line in self.lines if line.outcome is Outcome.REFUSE)

    @property
    def warnings(self) -> tuple[QualityLine, ...]:
        """Lines that warn."""
        return tuple(line for line in self.lines if line.outcome is Outcome.WARN)

    def accepting(self, codes: Iterable[str]) -> QualityReport:
        """Turn refusals that the user takes responsibility for into warnings.

        Parameters
        ----------
        codes
            Codes of checks.

        Returns
        -------
        The report with these refusals as warnings that say so.
        """
        chosen = set(codes)
        return QualityReport(
            tuple(
                replace(line, outcome=Outcome.WARN, action=f"accepted by the user. {line.action}".strip())
                if line.outcome is Outcome.REFUSE and line.check in chosen
                else line
                for line in self.lines
            )
        )

    def merged(self, lines: Iterable[QualityLine]) -> QualityReport:
        """Add lines.

        Parameters
        ----------
        lines
            Further checks.

        Returns
        -------
        A report with both.
        """
        return QualityReport((*self.lines, *lines))

    def raise_if_refused(self) -> None:
        """Stop here when a check refuses.

        Raises
        ------
        RefusedError
            With code of the first refusing line and the words of all.
        """
        if not self.refused:
            return
        words = "; ".join(
            f"{line.check}: found {line.found}, expected {line.expected}. {line.action}".strip()
            for line in self.refused
        )
        raise RefusedError(words, code=self.refused[0].check, acceptable=True, lines=tuple(self.refused))
