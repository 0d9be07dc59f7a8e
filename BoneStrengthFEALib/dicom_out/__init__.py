"""Results as DICOM objects of the same study: segmentation, structured report, PDF, density map, pictures; signing."""

from BoneStrengthFEALib.dicom_out.sign import Signature, read_signature, sign_folder
from BoneStrengthFEALib.dicom_out.write import object_files, write_dicom_objects

__all__ = ["Signature", "object_files", "read_signature", "sign_folder", "write_dicom_objects"]
