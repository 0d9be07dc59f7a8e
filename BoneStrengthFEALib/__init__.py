"""From a clinical CT to calibrated bone density, finite-element strength and a fracture-risk report.

Research use only; not a medical device.
"""

from BoneStrengthFEALib.version import __version__

__all__ = ["__version__"]
