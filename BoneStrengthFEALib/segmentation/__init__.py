"""Bone labels from files that other tools write, with the names they carry."""

from BoneStrengthFEALib.segmentation.label_files import read_labels, write_labels

__all__ = ["read_labels", "write_labels"]
