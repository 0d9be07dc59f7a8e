"""Every choice of a run in one place: typed, checked, written into each result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.segmentation_settings import SegmentationSettings
from BoneStrengthFEALib.table_files import read_table, table_to


@dataclass(frozen=True)
class CalibrationSettings:
    """How HU become density.

    Parameters
    ----------
    method
        "internal-michalski2020", "internal-air-fat-muscle", "phantom", "asynchronous", "given-linear", or
        "given-density" for an image of calibrated density; no default for the last four is ever guessed.
    tissues
        Tissues an internal calibration uses; empty takes all that are found.
    phantom
        Phantom id or path of a phantom definition file.
    slope_mg_cm3_per_hu, intercept_mg_cm3
        For "given-linear": density = slope * HU + intercept.
    density_kind
        For "given-linear" and "given-density": "K2HPO4" or "CAHA".
    store
        For "asynchronous": folder of the calibration store, or one of its files to take just that entry.
    age_warn_days, age_refuse_days
        For "asynchronous": time between phantom scan and examination beyond which to warn, and to refuse [days]. The
        default of 30 is a usual site rule of monthly phantom scans, 365 this project's choice; both `unverified`.
    """

    method: str = "internal-air-fat-muscle"
    tissues: tuple[str, ...] = ()
    phantom: str = ""
    slope_mg_cm3_per_hu: float | None = None
    intercept_mg_cm3: float | None = None
    density_kind: str = ""
    store: str = ""
    age_warn_days: float = 30.0
    age_refuse_days: float = 365.0


@dataclass(frozen=True)
class ModelSettings:
    """How a specimen becomes a model and a strength; empty or None takes the site's default.

    Parameters
    ----------
    voxel_mm
        Element size [mm].
    law
        Material law id.
    load_case
        Load case id.
    analysis
        "linear" or "nonlinear".
    criteria
        Strength criterion ids.
    cap_mm
        Thickness of PMMA caps or pads [mm].
    cap_material
        Id of the fixed material of caps and pads.
    cap_yields
        Whether caps and pads yield in a nonlinear analysis; elastic otherwise.
    conversions
        Ids of density conversions from the calibration's kind to the law's, in order. Empty takes the documented ones
        of the site's default law, which the report names; a law chosen by the user implies none.
    fall_rotation_deg, fall_adduction_deg
        Internal rotation of the femur and adduction of its shaft in a sideways fall [degrees].
    fall_sweep_deg
        Further internal rotations at which a fall is computed (linear), to find the weakest direction [degrees].
    bone_threshold_mg_cm3
        Density below which a voxel is no bone, in the kind the law takes (the calibration's for a homogeneous law);
        None models the whole label. A homogeneous law of micro-finite elements needs it.
    """

    voxel_mm: float | None = None
    law: str = ""
    load_case: str = ""
    analysis: str = "linear"
    criteria: tuple[str, ...] = ()
    cap_mm: float | None = None
    conversions: tuple[str, ...] = ()
    fall_rotation_deg: float = 15.0
    fall_adduction_deg: float = 10.0
    fall_sweep_deg: tuple[float, ...] = ()
    cap_material: str = "pmma"
    cap_yields: bool = False
    bone_threshold_mg_cm3: float | None = None


@dataclass(frozen=True)
class SolverSettings:
    """How the equations are solved.

    Parameters
    ----------
    tolerance
        True relative residual to reach.
    max_iterations
        Give up after so many.
    threads
        Threads; 0 takes all cores given to the process.
    backend
        "auto", "numba" or "numpy".
    """

    tolerance: float = 1e-8
    max_iterations: int = 2000
    threads: int = 0
    backend: str = "auto"


@dataclass(frozen=True)
class NonlinearSettings:
    """How a model is loaded when ``model.analysis`` is "nonlinear".

    Parameters
    ----------
    end_deformation
        Displacement over height (or over the load case's reference length) at which loading ends; None takes the
        site's default.
    force_error
        Largest share of the force that a step may overlook of the curve.
    tolerance
        Residual force over reaction force.
    bbar
        Whether the volumetric strain is averaged over the element (no locking).
    """

    end_deformation: float | None = None
    force_error: float = 0.05
    tolerance: float = 1e-5
    bbar: bool = True


@dataclass(frozen=True)
class RiskSettings:
    """Reference values and cross-calibration.

    Parameters
    ----------
    reference
        Id of the reference set for T-scores of the hip, or path of a file with one set.
    dxa_slope, dxa_offset_g_cm2
        aBMD_DXA = slope * aBMD_CT + offset; 1 and 0 leave CT-equivalent values.
    z_reference
        Id or path of the reference set for Z-scores; empty takes the shipped one of the subject's sex.
    """

    reference: str = "nhanes3-nhw-female"
    dxa_slope: float = 1.0
    dxa_offset_g_cm2: float = 0.0
    z_reference: str = ""


@dataclass(frozen=True)
class MeasureSettings:
    """How density is summed over a bone.

    Parameters
    ----------
    rim
        What gets back the mineral that partial volume carried over the surface of a mask: "areal" (areal density and
        content of the hip), "all" (volumetric density and content too) or "none".
    """

    rim: str = "areal"

    def __post_init__(self) -> None:
        """Refuse what is no choice."""
        if self.rim not in ("none", "areal", "all"):
            raise InputError(f"measures.rim is none, areal or all, got {self.rim!r}")


@dataclass(frozen=True)
class LimbSettings:
    """Where the standard region of a distal radius or tibia lies.

    Parameters
    ----------
    region
        "fixed" (9.5 mm from the reference line at the radius, 22.5 mm at the tibia) or "relative" (the middle at 4 %
        and 7.3 % of the bone's length).
    region_offset_mm
        Offset of the region's distal end from the reference line; None takes that of the region [mm].
    region_length_mm
        Length of the region [mm]; 9.02 is that of the first generation of HR-pQCT (110 slices of 82 um).
    bone_length_mm
        Length of the bone, for the relative region [mm].
    distal_gap_mm
        Bone missing in the label between its distal end and the joint surface [mm].
    """

    region: str = "fixed"
    region_offset_mm: float | None = None
    region_length_mm: float = 9.02
    bone_length_mm: float | None = None
    distal_gap_mm: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no region."""
        if self.region not in ("fixed", "relative"):
            raise InputError(f"limb.region is fixed or relative, got {self.region!r}")
        if not 1.0 <= self.region_length_mm <= 60.0:
            raise InputError(f"limb.region_length_mm must lie between 1 and 60 mm, got {self.region_length_mm:g}")


@dataclass(frozen=True)
class Settings:
    """All settings of a run.

    Parameters
    ----------
    calibration, model, solver, nonlinear, risk, limb, measures, segmentation
        The parts.
    quality_profile
        Id or path of the quality profile.
    accept
        Codes of refusing checks that the user takes responsibility for; they become warnings.
    """

    calibration: CalibrationSettings = CalibrationSettings()
    model: ModelSettings = ModelSettings()
    solver: SolverSettings = SolverSettings()
    nonlinear: NonlinearSettings = NonlinearSettings()
    risk: RiskSettings = RiskSettings()
    quality_profile: str = "default"
    accept: tuple[str, ...] = ()
    limb: LimbSettings = LimbSettings()
    measures: MeasureSettings = MeasureSettings()
    segmentation: SegmentationSettings = SegmentationSettings()

    def to_dict(self) -> dict[str, Any]:
        """Nested plain dictionary.

        Returns
        -------
        What from_dict reads back to an equal object.
        """
        return dataclasses.asdict(self)

    def sha256(self) -> str:
        """Hash of the settings.

        Returns
        -------
        64 hexadecimal digits, equal for equal settings.
        """
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def settings_from_dict(data: dict[str, Any]) -> Settings:
    """Read settings strictly.

    Parameters
    ----------
    data
        Nested dictionary; keys may be missing, none may be unknown.

    Returns
    -------
    The settings.

    Raises
    ------
    InputError
        On an unknown key or a value of the wrong type.
    """
    return table_to(Settings, data, "settings")


def read_settings(path: Path) -> Settings:
    """Read a settings file.

    Parameters
    ----------
    path
        TOML or JSON file.

    Returns
    -------
    The settings.

    Raises
    ------
    InputError
        When it cannot be read or holds something unknown.
    """
    return settings_from_dict(read_table(path))
