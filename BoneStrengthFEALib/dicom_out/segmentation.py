"""Bones as a DICOM segmentation: those that were analysed, and labels of any origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from BoneStrengthFEALib.dicom_out.codes import STRUCTURE, anatomy, snomed
from BoneStrengthFEALib.dicom_out.origin import ANALYSED_SERIES, NAME, Origin, finish, mark_region
from BoneStrengthFEALib.results import SiteResult
from BoneStrengthFEALib.version import __version__
from BoneStrengthFEALib.volume import Array

MOST_LETTERS = 64
"""Of a segment's label."""
COLOURS = ((78, 40, 60), (70, -10, -45), (85, -45, 60), (60, 65, -40), (75, 10, 70), (65, -50, 10))
"""CIELab colours of the segments in turn."""


@dataclass(frozen=True)
class Maker:
    """Who made the segments, and the words of the object.

    Parameters
    ----------
    name
        Program.
    way
        "SEMIAUTOMATIC" or "AUTOMATIC".
    content
        Description of the content.
    series
        Description of the series.
    """

    name: str = NAME
    way: str = "SEMIAUTOMATIC"
    content: str = "Bone analysed for density and strength"
    series: str = ANALYSED_SERIES


def segmentation(origin: Origin, sites: Sequence[SiteResult], masks: Sequence[Array], number: int) -> Any:
    """Make the object of analysed bones.

    Parameters
    ----------
    origin
        Source.
    sites
        Bones of one kind.
    masks
        (K, J, I) bool of each bone on the scan's grid; they do not overlap.
    number
        Series number.

    Returns
    -------
    highdicom Segmentation.
    """
    pixels = np.zeros(masks[0].shape, dtype=np.uint8)
    for n, mask in enumerate(masks, start=1):
        pixels[mask] = n
    return segmentation_of(origin, sites, pixels, number, Maker(series=f"{ANALYSED_SERIES}, {sites[0].site}"))


def segmentation_of(origin: Origin, sites: Sequence[SiteResult], pixels: Array, number: int, maker: Maker) -> Any:
    """Make the object.

    Parameters
    ----------
    origin
        Source.
    sites
        What the segments are.
    pixels
        (K, J, I) number of the segment, from 1, on the scan's grid.
    number
        Series number.
    maker
        Who made them.

    Returns
    -------
    highdicom Segmentation.
    """
    import highdicom as hd

    kind = sites[0].site
    built = hd.seg.Segmentation(
        source_images=list(origin.images),
        pixel_array=pixels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(origin, site, n, maker) for n, site in enumerate(sites, start=1)],
        series_instance_uid=origin.uid(f"seg-series-{kind}"),
        series_number=number,
        sop_instance_uid=origin.uid(f"seg-{kind}"),
        instance_number=1,
        content_label="BONE",
        content_description=maker.content,
        content_creator_name=f"{NAME}^",
        series_description=f"{maker.series} (research)",
        **origin.equipment(),
    )
    mark_region(built, sites)
    return finish(built, origin)


def tracking(origin: Origin, site: SiteResult) -> tuple[str, str]:
    """Identity of a bone across the objects.

    Parameters
    ----------
    origin
        Source.
    site
        Bone.

    Returns
    -------
    Tracking id and UID.
    """
    return site.name, origin.uid(f"track-{site.name}")


def _segment(origin: Origin, site: SiteResult, number: int, maker: Maker) -> Any:
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    region, side = anatomy(site.site, site.level, site.side)
    identifier, uid = tracking(origin, site)
    family = CodedConcept("123109", "DCM", "Manual Processing")
    algorithm = hd.AlgorithmIdentificationSequence(maker.name, family, __version__ if maker.name == NAME else "unknown")
    built = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=site.name[:MOST_LETTERS],
        segmented_property_category=snomed(*STRUCTURE),
        segmented_property_type=region,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues(maker.way),
        algorithm_identification=algorithm,
        tracking_uid=uid,
        tracking_id=identifier,
        display_color=hd.color.CIELabColor(*COLOURS[(number - 1) % len(COLOURS)]),
    )
    if side is not None:
        built.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return built
