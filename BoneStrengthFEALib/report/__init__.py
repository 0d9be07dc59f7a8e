"""The report: one data model, several renderings."""

from BoneStrengthFEALib.report.html import write_html
from BoneStrengthFEALib.report.pictures import slice_pictures, strain_pictures

__all__ = ["slice_pictures", "strain_pictures", "write_html"]
