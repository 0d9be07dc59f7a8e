"""Bone mineral density measures of a specimen."""

from BoneStrengthFEALib.bmd.acr import on_k2hpo4_scale
from BoneStrengthFEALib.bmd.hip import HipComparison, HipScan, measure_hip, scan_hip
from BoneStrengthFEALib.bmd.levels import spine_mean
from BoneStrengthFEALib.bmd.measure import density_roi, measure, measured_mask
from BoneStrengthFEALib.bmd.roi_check import even_roi_line
from BoneStrengthFEALib.bmd.spill import Restored, restore, restored_content, rim_line

__all__ = [
    "HipComparison",
    "HipScan",
    "Restored",
    "density_roi",
    "even_roi_line",
    "measure",
    "measure_hip",
    "measured_mask",
    "on_k2hpo4_scale",
    "restore",
    "restored_content",
    "rim_line",
    "scan_hip",
    "spine_mean",
]
