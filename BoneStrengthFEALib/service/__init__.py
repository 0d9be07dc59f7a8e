"""The whole chain as one process: take new examinations, measure them, send results back, show what happens."""

from BoneStrengthFEALib.service.loop import Service
from BoneStrengthFEALib.service.settings import ServiceSettings, read_service

__all__ = ["Service", "ServiceSettings", "read_service"]
