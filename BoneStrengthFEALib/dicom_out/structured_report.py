"""The numbers as a Comprehensive 3D SR (TID 1500), one measurement group per segment, preliminary and unverified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pydicom

from BoneStrengthFEALib.dicom_out.codes import ORGANISATION, SCHEME_NAME, anatomy, private, snomed, unit
from BoneStrengthFEALib.dicom_out.origin import NAME, Origin, finish
from BoneStrengthFEALib.dicom_out.segmentation import tracking
from BoneStrengthFEALib.measure_codes import SCHEME
from BoneStrengthFEALib.report.prior import COMMON_FACTS, UNCERTAINTY, common_facts, model_facts
from BoneStrengthFEALib.results import DISCLAIMER, SiteResult, StudyResults
from BoneStrengthFEALib.version import __version__

CALIBRATION_ONLY = "(calibration)"
"""What an uncertainty of a failure load or stiffness holds."""


def structured_report(
    origin: Origin, results: StudyResults, sites: Sequence[SiteResult], segments: pydicom.Dataset, number: int
) -> Any:
    """Make the object.

    Parameters
    ----------
    origin
        Source.
    results
        Results.
    sites
        Bones of one kind, in the order of the segments.
    segments
        Segmentation that holds them.
    number
        Series number.

    Returns
    -------
    highdicom Comprehensive3DSR. Readers take the columns of their table from the first group, so every group has the
    same measurements in the same order.
    """
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    common = common_measures(sites)
    groups = [_group(origin, results, site, segments, n, common) for n, site in enumerate(sites, start=1)]
    content = hd.sr.MeasurementReport(
        _context(origin),
        CodedConcept("25045-6", "LN", "CT unspecified body region"),
        imaging_measurements=groups,
        title=CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )
    kind = sites[0].site
    report = hd.sr.Comprehensive3DSR(
        evidence=[*origin.images, segments],
        content=content[0],
        series_instance_uid=origin.uid(f"sr-series-{kind}"),
        series_number=number,
        sop_instance_uid=origin.uid(f"sr-{kind}"),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        manufacturer=NAME,
        manufacturer_model_name=NAME,
        software_versions=__version__,
        device_serial_number="1",
        series_description=f"{NAME}: measurements, {kind} (research)",
    )
    report.CodingSchemeIdentificationSequence = [_scheme()]
    # the side is in the finding sites; a document series has no laterality
    return finish(report, origin)


def _context(origin: Origin) -> Any:
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    observer = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=origin.uid("device"), name=NAME, manufacturer_name=NAME, model_name=NAME
    )
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(CodedConcept("121007", "DCM", "Device"), observer)
    )


def _scheme() -> pydicom.Dataset:
    scheme = pydicom.Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = SCHEME, SCHEME_NAME
    scheme.CodingSchemeResponsibleOrganization = ORGANISATION
    return scheme


def common_measures(sites: Sequence[SiteResult]) -> list[str]:
    """Ids of measures that every bone has with a finite value, in the order of the first bone.

    Parameters
    ----------
    sites
        Bones.

    Returns
    -------
    Ids.
    """
    tables = [_values(site) for site in sites]
    return [name for name in tables[0] if all(name in table for table in tables)]


def _values(site: SiteResult) -> dict[str, tuple[str, float, str]]:
    rows = _mechanical(site)
    for m in site.bmd:
        rows[m.id] = (m.label, m.value, m.unit)
        if m.uncertainty is not None:
            # its own concept: readers name a column after the derivation when there is one
            rows[f"u_{m.id}"] = (f"{UNCERTAINTY}{m.label}", m.uncertainty, m.unit)
    for line in site.risk:
        if line.unit != "N" and line.measure not in rows:
            rows[line.measure.replace(" ", "_")] = (line.measure, line.value, line.unit or "1")
    return {name: row for name, row in rows.items() if math.isfinite(row[1])}


def _mechanical(site: SiteResult) -> dict[str, tuple[str, float, str]]:
    rows = {}
    for s in site.strengths:
        name, words = f"failure_load_{s.criterion}", f"Failure load, {s.criterion}"
        rows[name] = (words, s.force_n, "N")
        if s.uncertainty_n is not None:
            rows[f"u_{name}"] = (f"{UNCERTAINTY}{words} {CALIBRATION_ONLY}", s.uncertainty_n, "N")
    for s in site.strengths[:1]:
        rows["stiffness"] = ("Stiffness", s.stiffness_n_per_mm, "N/mm")
        if s.stiffness_uncertainty_n_per_mm is not None:
            words = f"{UNCERTAINTY}Stiffness {CALIBRATION_ONLY}"
            rows["u_stiffness"] = (words, s.stiffness_uncertainty_n_per_mm, "N/mm")
    return rows


def _group(
    origin: Origin, results: StudyResults, site: SiteResult, segments: pydicom.Dataset, number: int, names: list[str]
) -> Any:
    import highdicom as hd

    region, side = anatomy(site.site, site.level, site.side)
    identifier, uid = tracking(origin, site)
    series = hd.sr.SourceSeriesForSegmentation(str(origin.images[0].SeriesInstanceUID))
    algorithm = hd.sr.AlgorithmIdentification(NAME, __version__, parameters=_parameters(results, site))
    values = _values(site)
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid, identifier),
        referenced_segment=hd.sr.ReferencedSegment(
            segments.SOPClassUID, segments.SOPInstanceUID, number, source_series=series
        ),
        finding_type=snomed("3138006", "Bone"),
        finding_sites=[hd.sr.FindingSite(region, laterality=side)],
        measurements=[
            hd.sr.Measurement(
                private(name, values[name][0]),
                _short(values[name][1]),
                unit(values[name][2]),
                algorithm_id=algorithm,
            )
            for name in names
        ],
        qualitative_evaluations=_classes(results, site),
    )


def _classes(results: StudyResults, site: SiteResult) -> list[Any]:
    import highdicom as hd

    found = [("permitted_use", "Permitted use", "Research use only, not a medical device")]
    found += [(f"class_{line.measure}", f"Class of {line.measure}", line.classification) for line in site.risk]
    found += [(f"class_{m.id}", f"Class of {m.label}", m.classification) for m in site.bmd]
    if results.risk is not None:
        found.append(("class_overall", "Fracture-risk class", results.risk.classification))
    return [
        hd.sr.QualitativeEvaluation(private(name.replace(" ", "_"), meaning), private(text.replace(" ", "_"), text))
        for name, meaning, text in found
        if text
    ]


def _short(value: float) -> float:
    # a decimal string holds 16 characters
    return float(f"{value:.8g}")


def _parameters(results: StudyResults, site: SiteResult) -> list[str]:
    fit = results.calibration
    parts = [DISCLAIMER]
    if fit is not None:
        coefficients = " ".join(f"{c:.6g}" for c in fit.coefficients)
        parts.append(f"coefficients={coefficients}")
    if site.model is not None:
        parts.append(f"elements={site.model.elements}")
    # what a comparison with a later examination needs to know
    common = {name: text for name, text in common_facts(results).items() if name in COMMON_FACTS}
    return [*parts, *(f"{name}={text}" for name, text in {**common, **model_facts(site)}.items() if text)]
