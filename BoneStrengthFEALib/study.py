"""One examination to be measured: the CT, its labels, which bones, and of whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume, require_same_grid

HU_PLAUSIBLE = (-3072.0, 32767.0)
"""Lowest value any scanner writes (extended scales and padding) and the largest 16-bit number."""
DARK_HU, BRIGHT_HU = -50.0, 150.0
"""A CT of a body holds fat or air below the first and bone above the second; otherwise it is not in HU."""
TAIL_PERCENT = 0.2
"""Share of voxels that must lie beyond these two values [%]."""

DENSITY_PLAUSIBLE = (-3072.0, 4000.0)
"""Padding, and more than any calibrated bone: compact bone has 1000 to 1500 mg/cm3, teeth about 2500 [mg/cm3]."""
LEAST_BONE_MG_CM3 = 150.0
"""The densest voxel of an image with a bone lies above this."""
CT_AIR_HU, AIR_SHARE = (-1034.0, -980.0), 0.5
"""Air of a CT in HU: calibrated densities have another slope. Share of what is darker than -500."""
SAMPLE_VOXELS = 5e6
"""Percentiles of larger scans are taken from about this many voxels."""


@dataclass(frozen=True)
class Target:
    """A bone to analyse.

    Parameters
    ----------
    label
        Label value or name in the label map.
    site, level, side
        What it is; None or empty takes it from the label's name.
    local_to_ras
        (4, 4) rigid frame [mm] a person has set; None takes the one found from the bone's shape.
    landmarks
        Landmarks a person has set, name to (3,) RAS [mm]; they replace those found. Names by site: see
        anatomy.vertebra.LANDMARKS and anatomy.femur.LANDMARKS.
    """

    label: int | str
    site: Site | None = None
    level: str = ""
    side: Side | None = None
    local_to_ras: FloatArray | None = field(default=None, compare=False)
    landmarks: Mapping[str, FloatArray] | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Study:
    """An examination.

    Parameters
    ----------
    ct
        CT volume [HU], or of calibrated density [mg/cm3].
    labels
        Label map of the bones, on the CT's grid.
    targets
        Bones to analyse.
    acquisition
        Exam and subject.
    tissues
        Label map with tissues for an internal calibration, on the CT's grid; the bones' map when left out.
    parts
        Finer label map with the names of vertebral bodies, on the CT's grid; bodies are found by shape when left out.
    quality
        Checks made when the CT was read.
    files
        Input files, for provenance.
    """

    ct: Volume
    labels: LabelMap
    targets: tuple[Target, ...]
    acquisition: Acquisition
    tissues: LabelMap | None = None
    parts: LabelMap | None = None
    quality: QualityReport = QualityReport()
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts belong together."""
        if self.ct.quantity is Quantity.HU:
            check_hounsfield(self.ct)
        elif self.ct.quantity in (Quantity.K2HPO4, Quantity.CAHA):
            check_density(self.ct)
        else:
            raise InputError(f"the CT must hold HU, or K2HPO4- or CaHA-equivalent mg/cm3, got {self.ct.quantity.value}")
        require_same_grid(self.ct, self.labels.volume, "the CT and the label map")
        if self.tissues is not None:
            require_same_grid(self.ct, self.tissues.volume, "the CT and the tissue label map")
        if self.parts is not None:
            require_same_grid(self.ct, self.parts.volume, "the CT and the parts label map")
        if not self.targets:
            raise InputError("no bone to analyse; name at least one label")
        for target in self.targets:
            self.labels.mask(target.label)
        values = [self.labels.value_of(target.label) for target in self.targets]
        twice = {
            str(target.label) for target, value in zip(self.targets, values, strict=True) if values.count(value) > 1
        }
        if twice:
            raise InputError(f"one bone was named more than once: {', '.join(sorted(twice))}; name each label once")

    def distinct_names(self, names: Sequence[str]) -> list[str]:
        """Names of the targets that tell them apart.

        Parameters
        ----------
        names
            Name of each target, for example its level.

        Returns
        -------
        The names; several that are alike give way to those of the labels, or get their values.
        """
        values = [self.labels.value_of(target.label) for target in self.targets]
        own = [self.labels.names.get(value, "") for value in values]
        return [
            name
            if names.count(name) == 1
            else (
                label
                if label and label.isascii() and label not in names and own.count(label) == 1
                else f"{name}, label {value}"
            )
            for name, label, value in zip(names, own, values, strict=True)
        ]

    def with_subject(self, **changes: Any) -> Study:
        """Replace facts of the subject.

        Parameters
        ----------
        **changes
            Fields of Subject; those that are None leave what the image says.

        Returns
        -------
        The study with the new subject.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        subject = dataclasses.replace(self.acquisition.subject, **given)
        return dataclasses.replace(self, acquisition=dataclasses.replace(self.acquisition, subject=subject))


def check_hounsfield(ct: Volume) -> None:
    """Refuse a volume whose numbers cannot be Hounsfield units.

    Parameters
    ----------
    ct
        Volume said to hold HU.

    Raises
    ------
    InputError
        When the range is not that of a CT of a body.
    """
    low, high = float(ct.array.min()), float(ct.array.max())
    step = max(1, round((ct.array.size / SAMPLE_VOXELS) ** (1 / 3)))
    dark, bright = np.percentile(ct.array[::step, ::step, ::step], (TAIL_PERCENT, 100 - TAIL_PERCENT))
    if low >= HU_PLAUSIBLE[0] and high <= HU_PLAUSIBLE[1] and dark < DARK_HU and bright > BRIGHT_HU:
        return
    raise InputError(
        f"the image does not look like HU: its numbers run from {low:.4g} to {high:.4g}; expected fat or air near "
        "-1000 to -50 and bone above 150. Apply the rescale slope and intercept, or give the original CT; for an image "
        "of calibrated density say so (--density)",
        code="NOT_HU",
    )


def check_density(image: Volume) -> None:
    """Refuse a volume whose numbers cannot be calibrated density in mg/cm3.

    Parameters
    ----------
    image
        Volume said to hold density.

    Raises
    ------
    InputError
        When the range is not that of bone and soft tissue, or is that of a CT in HU.
    """
    low, high = float(image.array.min()), float(image.array.max())
    said = f"the image does not look like density in mg/cm3: its numbers run from {low:.4g} to {high:.4g}"
    if low < DENSITY_PLAUSIBLE[0] or high > DENSITY_PLAUSIBLE[1] or high < LEAST_BONE_MG_CM3:
        hint = "these may be g/cm3: multiply by 1000. " if 0.1 < high < 10.0 else ""
        raise InputError(
            f"{said}; expected bone above {LEAST_BONE_MG_CM3:g} and nothing above {DENSITY_PLAUSIBLE[1]:g}. {hint}"
            "Give the calibrated image, or the CT in HU without --density",
            code="NOT_DENSITY",
        )
    dark = image.array[image.array < -500]
    air = int(np.count_nonzero((dark >= CT_AIR_HU[0]) & (dark <= CT_AIR_HU[1])))
    if dark.size and air > AIR_SHARE * dark.size:
        raise InputError(
            f"{said}, and {100 * air / dark.size:.0f} % of what is darker than -500 lies at -1000, as air in HU does; "
            "give the calibrated image, or this one without --density and with a calibration",
            code="NOT_DENSITY",
        )
