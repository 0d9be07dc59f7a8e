"""Results as an HL7 FHIR R4 bundle."""

from BoneStrengthFEALib.fhir.bundle import FILE_NAME, bundle, write_bundle

__all__ = ["FILE_NAME", "bundle", "write_bundle"]
