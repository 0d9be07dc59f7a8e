"""The density of the scan as a parametric map."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom

from BoneStrengthFEALib.dicom_out.codes import private, unit
from BoneStrengthFEALib.dicom_out.origin import NAME, Origin, finish, mark_region
from BoneStrengthFEALib.results import SiteResult
from BoneStrengthFEALib.volume import Volume

CENTRE, WIDTH = 200.0, 1000.0


def parametric_map(origin: Origin, sites: Sequence[SiteResult], density: Volume, number: int) -> Any:
    """Make the object.

    Parameters
    ----------
    origin
        Source.
    sites
        Bones of the study.
    density
        (K, J, I) density [mg/cm3] on the scan's grid.
    number
        Series number.

    Returns
    -------
    highdicom ParametricMap, float32.
    """
    import highdicom as hd

    low, high = float(density.array.min()), float(density.array.max())
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="DENSITY",
        lut_explanation=f"{density.quantity.value} density",
        unit=unit("mg/cm3"),
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=private("vbmd", f"{density.quantity.value} density"),
    )
    built = hd.pm.ParametricMap(
        source_images=list(origin.images),
        pixel_array=np.asarray(density.array, dtype=np.float32),
        series_instance_uid=origin.uid("pm-series"),
        series_number=number,
        sop_instance_uid=origin.uid("pm"),
        instance_number=1,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        content_label="DENSITY",
        content_creator_name=f"{NAME}^",
        series_description=f"{NAME}: density map (research)",
        **_window(),
        **origin.equipment(),
    )
    # without it the reader that Slicer uses for parametric maps crashes
    region = pydicom.Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "3138006", "SCT", "Bone"
    anatomy = pydicom.Dataset()
    sides = {site.side[:1].upper() for site in sites}
    anatomy.FrameLaterality = next(iter(sides)) or "U" if len(sides) == 1 else "B" if {"L", "R"} <= sides else "U"
    anatomy.AnatomicRegionSequence = [region]
    built.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
    _order_frames(built)
    mark_region(built, sites)
    return finish(built, origin)


def _order_frames(built: Any) -> None:
    """Frames along the normal of the slices: the reader that Slicer uses takes them in the order of the file."""
    axes = built.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    normal = np.cross([float(v) for v in axes[:3]], [float(v) for v in axes[3:]])
    frames = list(built.PerFrameFunctionalGroupsSequence)
    heights = [normal @ [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient] for frame in frames]
    order = np.argsort(heights)
    built.PerFrameFunctionalGroupsSequence = [frames[n] for n in order]
    pixels = np.frombuffer(built.FloatPixelData, dtype="<f4").reshape(len(frames), -1)
    built.FloatPixelData = pixels[order].tobytes()


def _window() -> dict[str, Any]:
    """Display window, as this highdicom (0.27 in Slicer 5.12, later elsewhere) wants to be told it."""
    import highdicom as hd

    if "voi_lut_transformations" in inspect.signature(hd.pm.ParametricMap).parameters:
        return {"voi_lut_transformations": [hd.VOILUTTransformation(window_center=CENTRE, window_width=WIDTH)]}
    return {"window_center": CENTRE, "window_width": WIDTH}
