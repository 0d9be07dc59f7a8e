"""Results as DICOM objects of the same study: segmentation, structured report, encapsulated PDF, parametric map."""

from BoneStrengthFEALib.dicom_out.write import write_dicom_objects

__all__ = ["write_dicom_objects"]
