"""Material laws as data, and the map from density to moduli and strengths."""

from BoneStrengthFEALib.material.fixed_materials import FixedMaterial, fixed_material
from BoneStrengthFEALib.material.law import MaterialLaw, usual_conversions
from BoneStrengthFEALib.material.law_table import DEFAULT_LAW, LAWS, law, usual_law
from BoneStrengthFEALib.material.map import MaterialMap, map_density

__all__ = [
    "DEFAULT_LAW",
    "LAWS",
    "FixedMaterial",
    "MaterialLaw",
    "MaterialMap",
    "fixed_material",
    "law",
    "map_density",
    "usual_conversions",
    "usual_law",
]
