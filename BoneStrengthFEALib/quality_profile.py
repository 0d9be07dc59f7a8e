"""Quality profile: what an examination must be like to be measured, per site, as an editable data file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport

SCHEMA = "bonestrengthfea-quality-profile/1"
CONTRAST_WORDS = re.compile(
    r"\bcontrast\b|\bwith iv\b|\bportal\b|\bvenous\b|\barteri\w*|\bnephro\w*|\bCTA\b|\bC\+|"
    r"\bpost[ -]?(kontrast|contrast)",
    re.IGNORECASE,
)
WITHOUT = re.compile(
    r"\b(no|non|w/?o|without|native|nativ|plain|un)[ -]?(iv )?(contrast|enhanced|cm|km)?\b", re.IGNORECASE
)


def check_acquisition(
    acquisition: Acquisition, spacing_mm: float, site: str, profile: str = "default"
) -> QualityReport:
    """Judge how an examination was taken.

    Parameters
    ----------
    acquisition
        Facts of the series.
    spacing_mm
        Largest voxel size of the volume [mm].
    site
        "vertebra", "femur", "radius" or "tibia".
    profile
        Id of a shipped profile, or path of a file.

    Returns
    -------
    One line each for tube voltage, slice thickness, kernel and contrast medium.

    Raises
    ------
    InputError
        When the profile cannot be used or does not know the site.
    """
    rules = read_profile(profile)["sites"].get(site)
    if rules is None:
        raise InputError(f"the quality profile {profile!r} has no site {site!r}; add it to the file")
    return QualityReport(
        (
            _voltage(acquisition.kvp, rules["kvp"]),
            _thickness(acquisition.slice_thickness_mm, spacing_mm, float(rules["thickness_mm"]["max"])),
            _kernel(acquisition, rules["kernel"]),
            _contrast(acquisition, rules["contrast"]),
        )
    )


@lru_cache(maxsize=8)
def read_profile(profile: str) -> Mapping[str, Any]:
    """Read a profile.

    Parameters
    ----------
    profile
        Id of a shipped profile, or path of a JSON file.

    Returns
    -------
    Its content.

    Raises
    ------
    InputError
        When there is none, or it is something else.
    """
    shipped = resources.files("BoneStrengthFEALib").joinpath("data", f"quality_profile_{profile}.json")
    try:
        text = shipped.read_text("utf-8") if shipped.is_file() else Path(profile).read_text("utf-8")
        data: dict[str, Any] = json.loads(text)
        if data["schema"] != SCHEMA:
            raise InputError(f"quality profile {profile!r} has schema {data['schema']!r}, expected {SCHEMA!r}")
        for rules in data["sites"].values():
            float(rules["thickness_mm"]["max"]), rules["kvp"]["refuse_outside"], rules["kernel"], rules["contrast"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"cannot use the quality profile {profile!r}: {error}; give 'default' or a JSON file"
        ) from error
    return data


def kernel_class(manufacturer: str, kernel: str) -> str:
    """Whether a reconstruction kernel is sharp.

    Parameters
    ----------
    manufacturer, kernel
        As DICOM states them.

    Returns
    -------
    "soft", "sharp" or "unknown".
    """
    for row in read_profile("default")["kernels"]:
        if re.search(row["manufacturer"], manufacturer, re.IGNORECASE):
            for kind in ("sharp", "soft"):
                if re.fullmatch(row[kind], kernel.strip(), re.IGNORECASE):
                    return kind
    return "unknown"


def contrast_text(agent: str, route: str, description: str) -> str:
    """What tells of intravenous contrast medium.

    Parameters
    ----------
    agent, route, description
        Contrast/bolus agent, its route, series description.

    Returns
    -------
    The telling words; empty when there are none.
    """
    oral = re.search(r"oral|rectal", f"{agent} {route}", re.IGNORECASE) and not re.search("IV|intraven", agent + route)
    if agent.strip() and not oral and agent.strip().upper() not in {"NO", "NONE", "N", "WITHOUT"}:
        return agent.strip()
    found = CONTRAST_WORDS.search(description)
    return found.group(0) if found and not WITHOUT.search(description) else ""


def _voltage(kvp: float | None, rule: Mapping[str, Any]) -> QualityLine:
    low, high = rule["refuse_outside"]
    usual = rule["usual"]
    if kvp is None:
        verdict = Outcome.WARN
    elif not low <= kvp <= high:
        verdict = Outcome.REFUSE
    else:
        verdict = Outcome.PASS if kvp in usual else Outcome.WARN
    return QualityLine(
        "KVP",
        verdict,
        "unknown" if kvp is None else f"{kvp:g} kV",
        f"{low:g} to {high:g} kV, usually {', '.join(f'{v:g}' for v in usual)}",
        "HU of bone depend on the voltage: the calibration must have been made at the same one",
    )


def _thickness(nominal: float | None, spacing_mm: float, most: float) -> QualityLine:
    largest = max(spacing_mm, nominal or 0.0)
    known = "" if nominal is not None else " (nominal thickness unknown)"
    return QualityLine(
        "SLICE_THICKNESS",
        # positions are written with limited digits
        Outcome.REFUSE if largest > most * 1.001 else Outcome.PASS,
        f"{largest:.3g} mm{known}",
        f"at most {most:g} mm",
        "thick slices blur cortex and endplates: choose a thinner reconstruction",
    )


def _kernel(acquisition: Acquisition, rule: Mapping[str, Any]) -> QualityLine:
    kind = kernel_class(acquisition.manufacturer, acquisition.kernel) if acquisition.kernel else "unknown"
    return QualityLine(
        "KERNEL",
        Outcome[rule[kind].upper()],
        f"{acquisition.kernel or 'unknown'} ({kind})",
        "a soft or standard kernel",
        "sharp kernels overshoot at edges and raise noise: choose the soft reconstruction of the same scan",
    )


def _contrast(acquisition: Acquisition, rule: Mapping[str, Any]) -> QualityLine:
    words = contrast_text(acquisition.contrast_agent, "", acquisition.series_description)
    return QualityLine(
        "CONTRAST",
        Outcome[rule["present"].upper()] if words else Outcome.PASS,
        words or "none known",
        "no intravenous contrast medium",
        "contrast medium raises the density of trabecular bone: choose the series before injection",
    )
