"""Proximal femur: landmarks from shape alone, local frame, completeness, the part that is modelled."""

from BoneStrengthFEALib.anatomy.femur.specimen import LANDMARKS, prepare_femur

__all__ = ["LANDMARKS", "prepare_femur"]
