"""Steps of displacement-controlled loading: adaptive length, a bracketed peak, a stated end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.plasticity.newton import Equilibrium, NoEquilibriumError
from BoneStrengthFEALib.plasticity.options import NonlinearOptions
from BoneStrengthFEALib.results import CurvePoint
from BoneStrengthFEALib.volume import FloatArray

GROWTH = 1.5
"""A step that was easy is followed by one longer by this factor."""
EASY_NEWTON = 6
FALLING = 2e-3
"""A force that is lower by less than this share is a plateau, not a peak passed."""


@dataclass(eq=False)
class State:
    """Where loading stands.

    Parameters
    ----------
    factor
        Multiple of the prescribed displacements.
    u
        (n, 3) displacements [mm].
    force
        Force on the loaded set [N].
    plastic
        (m, 7, 8) plastic strain and its accumulated amount at every point.
    """

    factor: float
    u: FloatArray
    force: float
    plastic: FloatArray


@dataclass(eq=False)
class Loading:
    """Loading under way.

    Parameters
    ----------
    equilibrium
        Finds equilibrium at a factor.
    options
        Step policy.
    loaded
        Name, component and displacement [mm] of the loaded set.
    bone
        (m,) elements that can yield.
    states
        States so far, the unloaded one first.
    curve, peak, failed_steps
        Results so far.
    """

    equilibrium: Equilibrium
    options: NonlinearOptions
    loaded: tuple[str, int, float]
    bone: npt.NDArray[np.bool_]
    states: list[State]
    curve: list[CurvePoint] = field(default_factory=list)
    peak: State | None = None
    failed_steps: int = 0

    def advance(self) -> str:
        """Load until an end is reached.

        Returns
        -------
        The reason in words.
        """
        options = self.options
        step = options.first_factor
        while True:
            last = self.states[-1]
            if last.factor >= options.end_factor * (1 - 1e-9):
                return f"the end of loading, {options.end_factor:g} times the displacement of the model, was reached"
            step = min(step, options.end_factor - last.factor, options.step_factor)
            if step < options.smallest_step * options.end_factor:
                return "no equilibrium was found with the smallest step"
            before = self.equilibrium.newton_iterations
            try:
                state, residual, linear = self._attempt(last, step)
            except NoEquilibriumError:
                self.failed_steps += 1
                step *= 0.5
                continue
            if self._too_long(state, step):
                step *= 0.5
                continue
            self._accept(state, residual, linear)
            if self.peak is not None and state.force < options.drop * self.peak.force:
                return f"the force fell below {100 * options.drop:.0f} % of its peak"
            easy = self.equilibrium.newton_iterations - before <= EASY_NEWTON
            step *= GROWTH if easy else 1.0

    def _attempt(self, last: State, step: float) -> tuple[State, float, int]:
        factor, equilibrium = last.factor + step, self.equilibrium
        linear = equilibrium.linear_iterations
        if len(self.states) < 2:
            start = equilibrium.start(factor)
        else:
            earlier = self.states[-2]
            start = last.u + (step / (last.factor - earlier.factor)) * (last.u - earlier.u)
        equilibrium.points.restore(last.plastic)
        u, support, residual = equilibrium.solve(start, factor)
        trial = equilibrium.points.trial.copy()
        state = State(factor, u, self._force(support), trial)
        return state, residual, equilibrium.linear_iterations - linear

    def _force(self, support: FloatArray) -> float:
        name, component, _ = self.loaded
        constraints = self.equilibrium.system.constraints
        dofs = constraints.sets.get(name)
        if dofs is None:
            dofs = next(plane.dofs for plane in constraints.planes if plane.name == name)
        return abs(float(support.ravel()[dofs[dofs % 3 == component]].sum()))

    def _too_long(self, state: State, step: float) -> bool:
        """Whether a step overlooks too much of the curve, or passes the peak with too wide a bracket."""
        options, last = self.options, self.states[-1]
        smallest = 2 * options.smallest_step * options.end_factor
        if step <= smallest or len(self.states) < 2:
            return False
        if state.force < (1 - FALLING) * last.force and last.force >= max(s.force for s in self.states):
            return step > max(options.peak_width * last.factor, smallest)
        earlier = self.states[-2]
        slope = (last.force - earlier.force) / (last.factor - earlier.factor)
        error = abs(last.force + slope * step - state.force)
        return error > options.force_error * max(state.force, last.force)

    def _accept(self, state: State, residual: float, linear: int) -> None:
        points = self.equilibrium.points
        points.restore(state.plastic)
        self.states.append(state)
        if self.peak is None or state.force > self.peak.force:
            self.peak = state
        if len(self.states) > 3:
            # only two states are prolonged; the peak is kept on its own
            old = self.states[-4]
            old.plastic = old.plastic[:0] if old is not self.peak else old.plastic
        displacement = abs(self.loaded[2]) * state.factor
        fraction = points.plastic_fraction(self.bone)
        self.curve.append(CurvePoint(displacement, state.force, fraction, residual, linear))
