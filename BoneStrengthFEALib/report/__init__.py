"""The report: one data model, several renderings."""

from BoneStrengthFEALib.report.comparison import compare, settings_differences
from BoneStrengthFEALib.report.hip_picture import hip_picture
from BoneStrengthFEALib.report.html import write_html
from BoneStrengthFEALib.report.pdf import write_pdf
from BoneStrengthFEALib.report.pictures import failed_pictures, slice_pictures, strain_pictures

__all__ = [
    "compare",
    "failed_pictures",
    "hip_picture",
    "settings_differences",
    "slice_pictures",
    "strain_pictures",
    "write_html",
    "write_pdf",
]
