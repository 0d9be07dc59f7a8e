"""The report: built once, rendered as HTML and as PDF."""

from BoneStrengthFEALib.report.build import build
from BoneStrengthFEALib.report.comparison import compare, differences
from BoneStrengthFEALib.report.hip_picture import hip_picture
from BoneStrengthFEALib.report.html import write_html
from BoneStrengthFEALib.report.model_pictures import model_pictures
from BoneStrengthFEALib.report.options import ReportOptions, read_options, write_options
from BoneStrengthFEALib.report.pdf import write_pdf
from BoneStrengthFEALib.report.pictures import failed_pictures, slice_pictures, strain_pictures
from BoneStrengthFEALib.report.prior import read_prior

__all__ = [
    "ReportOptions",
    "build",
    "compare",
    "differences",
    "failed_pictures",
    "hip_picture",
    "model_pictures",
    "read_options",
    "read_prior",
    "slice_pictures",
    "strain_pictures",
    "write_html",
    "write_options",
    "write_pdf",
]
