"""Where a CT comes from: a folder, Slicer's DICOM database, DICOMweb or DIMSE, behind one small interface."""

from BoneStrengthFEALib.sources.retrieve import candidates, fetch_series, label_series, open_source
from BoneStrengthFEALib.sources.source import ImageSource, Query, SeriesRecord

__all__ = ["ImageSource", "Query", "SeriesRecord", "candidates", "fetch_series", "label_series", "open_source"]
