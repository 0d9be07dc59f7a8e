"""Failed tissue: which elements yield, and in which sense."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.plasticity.element_kernels import POINTS
from BoneStrengthFEALib.plasticity.points import Points
from BoneStrengthFEALib.solver.system import System
from BoneStrengthFEALib.volume import FloatArray


def failed_tissue(
    model: FeModel, system: System, points: Points, plastic: FloatArray, u: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Plastic strain and failed elements on the model's grid.

    Parameters
    ----------
    model
        Model.
    system
        Its mesh.
    points
        Its points, for the geometry.
    plastic
        (m, 7, 8) state.
    u
        (n, 3) displacement of that state [mm].

    Returns
    -------
    (K, J, I) largest accumulated plastic strain (NaN without element), failed in compression, failed in tension: at
    least half of the points have yielded, and the mean stress is negative or positive.
    """
    mesh = system.mesh
    volume = np.einsum("eac,ac->e", u[mesh.corners], points.mean)
    elastic = volume - plastic[:, :3].sum(axis=1).mean(axis=1)
    failed = (plastic[:, 6] > 0).sum(axis=1) >= POINTS // 2
    where = tuple(mesh.elements.T)
    strain = np.full(model.grid.shape, np.nan)
    strain[where] = plastic[:, 6].max(axis=1)
    maps = []
    for chosen in (failed & (elastic <= 0), failed & (elastic > 0)):
        field = np.zeros(model.grid.shape, dtype=bool)
        field[where] = chosen
        maps.append(field)
    return strain, maps[0], maps[1]
