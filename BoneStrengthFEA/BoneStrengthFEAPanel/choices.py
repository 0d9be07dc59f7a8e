"""Choices of the panel, read from the library's registries: what the library gains appears without a change here."""

from slicer.i18n import tr as _


def calibrationMethods():
    """Pairs (text, id) of all calibration methods."""
    from BoneStrengthFEALib.calibration.dispatch import METHODS

    words = {
        "internal-air-fat-muscle": _("air, fat and muscle"),
        "internal-michalski2020": _("five tissues"),
        "phantom": _("phantom in the scan"),
        "asynchronous": _("phantom scanned at another time"),
        "given-linear": _("given line"),
    }
    return [(f"{words[name]} ({name})" if name in words else name, name) for name in METHODS]


def phantoms():
    """Pairs (text, id) of the phantoms the library knows; empty when it knows none."""
    from BoneStrengthFEALib.calibration.phantom_definition import shipped_phantoms

    return [(name, name) for name in shipped_phantoms()]


def laws(sites):
    """Pairs (text, id) of material laws measured on one of these sites; the first entry is the site's default."""
    from BoneStrengthFEALib.material import DEFAULT_LAW, LAWS

    rows = LAWS.values() if hasattr(LAWS, "values") else LAWS
    default = ", ".join(DEFAULT_LAW[site] for site in sites if site in DEFAULT_LAW)
    known = {DEFAULT_LAW[site] for site in sites if site in DEFAULT_LAW}
    measured = [row for row in rows if not sites or row.site in ("any", "") or set(row.site.split("/")) & {*sites}]
    found = [(_marked(row), row.id) for row in rows if row in measured or row.id in known]
    return [(f"default ({default})" if default else "default", ""), *found]


def loadCases(sites):
    """Pairs (text, id) of load cases for these sites; the first entry is the site's default."""
    from BoneStrengthFEALib.load_case.registry import DEFAULT_LOAD_CASE, LOAD_CASES

    default = ", ".join(case for site, case in DEFAULT_LOAD_CASE.items() if site.value in sites)
    found = [(case.title, case.id) for case in LOAD_CASES.values() if not sites or case.site.value in sites]
    return [(f"default ({default})" if default else "default", ""), *found]


def analyses():
    """Pairs (text, id)."""
    return [(_("linear, seconds"), "linear"), (_("nonlinear, until it fails"), "nonlinear")]


def sources(identifier):
    """Citation of a law or load case for a tool tip; empty for a default."""
    from BoneStrengthFEALib.load_case.registry import LOAD_CASES
    from BoneStrengthFEALib.material import LAWS

    row = LOAD_CASES.get(identifier) or (LAWS.get(identifier) if hasattr(LAWS, "get") else None)
    return row.source if row is not None else ""


def _marked(row):
    return f"{row.id} (unverified)" if row.unverified else row.id
