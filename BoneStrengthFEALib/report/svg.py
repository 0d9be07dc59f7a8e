"""Drawings as SVG text."""

from __future__ import annotations

from html import escape

from BoneStrengthFEALib.report.drawing import Disc, Drawing, Label, Path, Shape


def svg(drawing: Drawing) -> str:
    """Draw.

    Parameters
    ----------
    drawing
        Drawing.

    Returns
    -------
    SVG element.
    """
    return (
        f'<svg viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" aria-label="{escape(drawing.title)}">'
        f"{''.join(_shape(shape) for shape in drawing.shapes)}</svg>"
    )


def _shape(shape: Shape) -> str:
    if isinstance(shape, Path):
        path = "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        line = f' stroke="{shape.stroke}" stroke-width="{shape.width:g}"' if shape.stroke else ""
        dash = ' stroke-dasharray="3 2"' if shape.dashed else ""
        return f'<path d="{path}" fill="{shape.fill or "none"}"{line}{dash}/>'
    if isinstance(shape, Disc):
        tip = f"<title>{escape(shape.tip)}</title>" if shape.tip else ""
        return f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}" fill="{shape.fill}">{tip}</circle>'
    return _label(shape)


def _label(label: Label) -> str:
    bold = ' font-weight="bold"' if label.bold else ""
    return (
        f'<text x="{label.x:.1f}" y="{label.y:.1f}" text-anchor="{label.anchor}" font-size="{label.size:g}" '
        f'fill="{label.colour}"{bold}>{escape(label.text)}</text>'
    )
