"""From HU to density: phantom, internal (phantomless) and asynchronous calibrations."""

from BoneStrengthFEALib.calibration.dispatch import calibrate
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint, apply

__all__ = ["Calibration", "CalibrationPoint", "apply", "calibrate"]
