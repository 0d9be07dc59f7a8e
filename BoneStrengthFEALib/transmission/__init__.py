"""Sending results: destinations, an outbox on disk that survives crashes, an audit trail, the service record."""

from BoneStrengthFEALib.transmission.entry import Entry
from BoneStrengthFEALib.transmission.outbox import Outbox, default_outbox

__all__ = ["Entry", "Outbox", "default_outbox"]
