"""DICOM in: headers are judged before a pixel is decoded; what cannot be measured is refused with a code."""

from BoneStrengthFEALib.dicom_in.folder import DicomScan, list_series, read_folder, read_series
from BoneStrengthFEALib.dicom_in.gate import Admitted, admit
from BoneStrengthFEALib.dicom_in.judge import Verdict, judge_folder

__all__ = ["Admitted", "DicomScan", "Verdict", "admit", "judge_folder", "list_series", "read_folder", "read_series"]
