"""DICOM in: headers are judged before a pixel is decoded; what cannot be measured is refused with a code."""

from BoneStrengthFEALib.dicom_in.folder import DicomScan, list_series, read_folder, read_series
from BoneStrengthFEALib.dicom_in.gate import Admitted, admit

__all__ = ["Admitted", "DicomScan", "admit", "list_series", "read_folder", "read_series"]
