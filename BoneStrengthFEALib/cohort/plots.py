"""Pictures of the cohort report, as SVG text made by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from BoneStrengthFEALib.errors import DependencyError

COLOURS = {"F": "#c8553d", "M": "#1f6f8b", "": "#8a94a0"}


def by_age(points: Sequence[tuple[float, float, str]], title: str, axis: str) -> str:
    """Values over age, by sex.

    Parameters
    ----------
    points
        Age [years], value, sex ("F", "M" or "").
    title
        Title.
    axis
        What the value is, with its unit.

    Returns
    -------
    SVG element.
    """
    figure, axes = _figure()
    for sex, name in (("F", "women"), ("M", "men"), ("", "sex unknown")):
        chosen = [(age, value) for age, value, who in points if who == sex]
        if chosen:
            ages, values = zip(*chosen, strict=True)
            axes.scatter(ages, values, s=14, color=COLOURS[sex], alpha=0.75, label=f"{name} (n = {len(chosen)})")
    axes.set(xlabel="age (years)", ylabel=axis, title=title, ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    axes.grid(color="#e4e8ec")
    axes.set_axisbelow(True)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return f"<figure>{text[text.index('<svg') :]}</figure>"


def _figure() -> tuple[Any, Any]:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        text = "the cohort report needs matplotlib; install it with: pip install 'bone-strength-fea[cohort]'"
        raise DependencyError(text) from error
    # equal input gives equal bytes
    mpl.rcParams["svg.hashsalt"] = "bone-strength-fea"
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    return figure, figure.subplots()
