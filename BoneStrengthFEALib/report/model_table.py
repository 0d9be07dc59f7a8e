"""The finite-element models as a table: law with its equation, load case, size, solver and material record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.load_case import LOAD_CASES
from BoneStrengthFEALib.material import law
from BoneStrengthFEALib.report.view import Block, Paragraph, Section, Table
from BoneStrengthFEALib.report.words import Words
from BoneStrengthFEALib.results import ModelRecord, SiteResult


def model_section(sites: Sequence[SiteResult], sources: Mapping[str, int], say: Words) -> list[Section]:
    """Section of the models.

    Parameters
    ----------
    sites
        Bones.
    sources
        Citation to its number.
    say
        Words.

    Returns
    -------
    One section, or none without models.
    """
    models = [(site.name, site.model) for site in sites if site.model is not None]
    if not models:
        return []
    keys = ("bone", "law", "load_case", "voxel", "height", "cap", "elements", "solver", "floored", "outside")
    rows = tuple(_row(name, model, sources, say) for name, model in models)
    blocks: list[Block] = [
        Table(
            tuple(say(key) for key in keys),
            rows,
            (2, 2.9, 4.4, 1.5, 1.7, 1.8, 2.1, 3.2, 2.1, 1.9),
            dense=True,
        )
    ]
    notes = [_equation(model.law, say) for _, model in models] + [_title(model.load_case, say) for _, model in models]
    return [Section(say("model"), (*blocks, *(Paragraph(text, "fine") for text in dict.fromkeys(notes) if text)))]


def cited(texts: Sequence[str], sources: Mapping[str, int]) -> str:
    """Numbers of citations.

    Parameters
    ----------
    texts
        Citations.
    sources
        Citation to its number.

    Returns
    -------
    "[1, 2]", or empty.
    """
    numbers = sorted(sources[text] for text in texts if text in sources)
    return f"[{', '.join(map(str, numbers))}]" if numbers else ""


def _row(name: str, m: ModelRecord, sources: Mapping[str, int], say: Words) -> tuple[str, ...]:
    s, known = m.solver, m.numbers
    return (
        name,
        f"{m.law}, {say.text(m.analysis)} {cited(m.sources, sources)}",
        m.load_case,
        f"{m.voxel_mm:.3g}",
        *(f"{known[key]:.1f}" if known.get(key) else "-" for key in ("height_mm", "cap_mm")),
        f"{m.elements:,}",
        f"{s.get('iterations', float('nan')):.0f}; {s.get('relative_residual', float('nan')):.0e}; "
        f"{s.get('seconds_setup', 0.0) + s.get('seconds_solve', 0.0):.1f} s",
        *(f"{100 * known.get(key, 0.0):.1f}" for key in ("floored_fraction", "out_of_range_fraction")),
    )


def _title(identifier: str, say: Words) -> str:
    # results of another version may name a case this one does not have
    known = LOAD_CASES.get(identifier)
    return f"{identifier}: {say.text(known.title)}" if known else ""


def _equation(identifier: str, say: Words) -> str:
    try:
        row = law(identifier)
    except BoneStrengthError:
        return ""
    first = row.young_mpa.pieces[0]
    if row.young_mpa.factors or len(row.young_mpa.pieces) > 1 or first.intercept or row.quantity is None:
        # docs/methods.md has the longer ones
        return ""
    return say(
        "law_density",
        law=row.id,
        factor=f"{first.coefficient:g}",
        power=f"{first.exponent:g}",
        density=say.text(row.quantity.value),
    )
