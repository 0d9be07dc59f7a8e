"""Nonlinear loading: speed on a real vertebra, voxel size with softening, robustness, and parosol-py's plasticity.

python -m benchmarks.nonlinear [--parts speed,peer,sizes,robust] [--dry]   (writes its section of docs/performance.md)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.linear import machine
from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.fe_model import FeModel, Prescribed, YieldStress
from BoneStrengthFEALib.load_case import LoadedModel
from BoneStrengthFEALib.plasticity import NonlinearOptions, NonlinearSolution, solve_nonlinear
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.synthetic.fields import compressed, trabecular
from BoneStrengthFEALib.volume import Grid

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEADING = "## Nonlinear failure"
THREADS = 2
SIZES_MM = (1.5, 1.0, 0.75)
PEER_EDGE = 32
SOFTENING, RESIDUAL, ONSET = -0.05, 0.4, 0.005
"""Slope over Young's modulus at 1 mm, residual over yield stress, plastic strain before softening."""


def vertebra(voxel_mm: float) -> LoadedModel:
    """L2 of the demo case, prepared."""
    settings = override(Settings(), [f"model.voxel_mm={voxel_mm}"])
    fields = pipeline.run(demo_study(("L2",)), settings).fields
    return next(iter(fields.values())).loaded


def timed(
    model: FeModel, name: str, options: NonlinearOptions, size: float | None = None
) -> tuple[NonlinearSolution, float]:
    """Solve and time."""
    began = time.perf_counter()
    found = solve_nonlinear(model, name, options, reference_size_mm=size)
    return found, time.perf_counter() - began


def to_deformation(loaded: LoadedModel, deformation: float, **others: float) -> NonlinearOptions:
    """Options that end at a deformation."""
    moved = next(p for p in loaded.model.prescribed if p.name == loaded.loaded_set)
    factor = deformation * loaded.height_mm / abs(float(np.mean(moved.value_mm)))
    return NonlinearOptions(end_factor=factor, threads=THREADS, **others)  # type: ignore[arg-type]


def speed() -> str:
    """Real vertebra at 1 mm to 3 % deformation; prepared model, warm."""
    loaded = vertebra(1.0)
    timed(loaded.model, loaded.loaded_set, to_deformation(loaded, 0.003))
    found, seconds = timed(loaded.model, loaded.loaded_set, to_deformation(loaded, 0.03))
    n = found.numbers
    return (
        f"Real vertebra (demo L2, 1 mm, {n['elements']:,.0f} elements, law V1) to 3 %: {seconds:.1f} s, "
        f"{n['steps']:.0f} steps, {n['newton_iterations']:.0f} Newton and {n['linear_iterations']:.0f} linear "
        f"iterations, {100 * n['plastic_fraction_at_peak']:.0f} % yielded, residual {n['relative_residual']:.0e}."
    )


def peer() -> str:
    """One trabecular cube, von Mises, perfect plasticity, 0.5 %, against parosol-py in the same run."""
    from parosol_py.api import solve
    from parosol_py.nonlinear import NonlinearSolverOptions, VonMisesMaterial

    young = trabecular(PEER_EDGE)
    modulus = float(young.max())
    sigma = 0.003 * modulus
    strength = np.full(young.shape, sigma)
    model = replace(compressed(young, strain=0.005), yield_stress=YieldStress(strength, strength))
    options = NonlinearOptions(end_factor=1.0, step_factor=0.5, force_error=0.2, bbar=False, threads=THREADS)
    timed(model, "top_z", replace(options, end_factor=0.3))
    ours, seconds = timed(model, "top_z", options)
    with tempfile.TemporaryDirectory() as folder:
        result = solve(
            material=young,
            spacing=(1.0, 1.0, 1.0),
            poisson_ratio=0.3,
            strain=-0.005,
            tolerance=1e-6,
            mpi_processes=THREADS,
            work_dir=folder,
            nonlinear_material=VonMisesMaterial(modulus, 0.3, sigma),
            nonlinear_solver=NonlinearSolverOptions(),
        )
    forces, moved = np.asarray(result.fields["forces"]), np.asarray(result.fields["displacements"])
    given = -0.005 * len(young)
    top = np.abs(moved[:, 2] - given) <= 2e-7 * abs(given)
    held = top | (np.abs(moved).max(axis=1) == 0.0)
    residual = np.linalg.norm(forces[~held]) / np.linalg.norm(forces[held])
    native = result.summary.run.overall_time_seconds
    return (
        f"Trabecular cube of {int((young > 0).sum()):,} elements, von Mises at 0.3 % strain, 0.5 % compression, full "
        f"integration: {ours.curve[-1].force_n:.1f} N in {seconds:.2f} s, "
        f"residual {ours.curve[-1].relative_residual:.1e}; "
        f"parosol-py {abs(float(forces[top, 2].sum())):.1f} N in {native:.1f} s by its own clock, residual of the free "
        f"nodes over the reactions {residual:.1e}."
    )


def softening(model: FeModel) -> FeModel:
    """The model with softening in place of perfect plasticity."""
    assert model.yield_stress is not None
    strength, young = np.asarray(model.yield_stress.compression_mpa), np.asarray(model.young_mpa)
    yields = np.isfinite(strength)
    slope, residual = np.where(yields, SOFTENING * young, 0.0), np.where(yields, RESIDUAL * strength, 0.0)
    return replace(model, yield_stress=YieldStress(strength, strength, slope, residual, ONSET))


def notched(size: float) -> LoadedModel:
    """A block of 9 x 18 x 24 mm with two notches of 3 x 6 and 3 x 3 mm from opposite sides, stiffer upwards."""
    shape = (round(24 / size), round(9 / size), round(18 / size))
    z, _, x = (np.indices(shape) + 0.5) * size
    gap = ((x < 6) & (z > 6) & (z < 9)) | ((x > 15) & (z > 15) & (z < 18))
    young = np.where(gap, 0.0, 600.0 + 40.0 * z)
    ids = np.arange(int(np.prod([n + 1 for n in shape]))).reshape([n + 1 for n in shape])
    sets = [Prescribed(f"floor{c}", ids[0].ravel(), c) for c in range(3)]
    sets += [Prescribed(f"side{c}", ids[-1].ravel(), c) for c in range(2)]
    strength = 0.008 * np.maximum(young, 1.0)
    model = FeModel(
        Grid(shape, np.diag([size, size, size, 1.0])),
        young,
        0.3,
        prescribed=(*sets, Prescribed("top", ids[-1].ravel(), 2, -0.24)),
        yield_stress=YieldStress(strength, strength),
    )
    return LoadedModel(model, "top", 24.0, young > 0, 0.0)


def sizes() -> str:
    """Peak force with softening at three voxel sizes, slopes scaled to the size or not."""
    lines = [
        "| body | voxel (mm) | elements | slope scaled | peak (N) | at (%) | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    bodies: dict[str, Callable[[float], LoadedModel]] = {"notched block": notched, "vertebra L2": vertebra}
    for body, make in bodies.items():
        for size in SIZES_MM:
            loaded = make(size)
            model = softening(loaded.model)
            for reference in (1.0, None):
                found, seconds = timed(model, loaded.loaded_set, to_deformation(loaded, 0.03), reference)
                best = max(found.curve, key=lambda p: p.force_n)
                at = 100 * best.displacement_mm / loaded.height_mm
                lines.append(
                    f"| {body} | {size:g} | {found.numbers['elements']:,.0f} | {'yes' if reference else 'no'} | "
                    f"{best.force_n:.1f} | {at:.2f} | {seconds:.1f} |"
                )
    return "\n".join(lines)


def bone_like(seed: int) -> FeModel:
    """A random model: solid or porous, every kind of material, compressed, stretched or sheared."""
    dice = np.random.default_rng(9100 + seed)
    shape = tuple(int(n) for n in dice.integers(6, 14, 3))
    field = ndimage.gaussian_filter(dice.standard_normal(shape), 1.0)
    field /= field.std()
    young = 10 ** (2.6 + 0.5 * field)
    if seed % 5 in {1, 3}:
        young = np.where(field > np.quantile(field, 0.45), young, 0.0)
    young[0] = young[-1] = 2500.0
    compression = 0.0085 * young * (young / 1000.0) ** 0.2 + 1e-3
    tension = compression * (1.0 if seed % 5 in {0, 4} else dice.uniform(0.4, 1.0))
    if dice.random() < 0.5:
        compression[[0, -1]] = tension[[0, -1]] = np.inf
    slope = float(dice.choice([0.0, 0.05, -0.03, -0.1, -0.3])) * young
    residual = np.where(np.isfinite(compression), 0.3 * np.minimum(compression, tension), 0.0)
    ids = np.arange(int(np.prod([n + 1 for n in shape]))).reshape([n + 1 for n in shape])
    sets = [Prescribed(f"floor{c}", ids[0].ravel(), c) for c in range(3)]
    way, sense = (2, float(dice.choice([-1, 1]))) if dice.random() < 0.7 else (0, 1.0)
    sets.append(Prescribed("top", ids[-1].ravel(), way, sense * 0.01 * shape[0]))
    if way == 0:
        sets.append(Prescribed("lid", ids[-1].ravel(), 2))
    stress = YieldStress(compression, tension, slope, residual, float(dice.uniform(0, 0.01)))
    poisson = float(dice.choice([0.2, 0.3, 0.4, 0.45]))
    return FeModel(Grid(shape, np.eye(4)), young, poisson, prescribed=tuple(sets), yield_stress=stress)


def robust(count: int = 40) -> str:
    """How random models end."""
    ends: Counter[str] = Counter()
    worst = 0.0
    for seed in range(count):
        found, _ = timed(bone_like(seed), "top", NonlinearOptions(threads=1))
        values = np.array([(p.force_n, p.relative_residual) for p in found.curve])
        assert np.isfinite(values).all(), seed
        worst = max(worst, float(values[:, 1].max()))
        ends[found.reason.split(",")[0]] += 1
    return f"{count} random models, worst residual {worst:.0e}: " + "; ".join(f"{n} x {end}" for end, n in ends.items())


PARTS: dict[str, Callable[[], str]] = {"speed": speed, "peer": peer, "sizes": sizes, "robust": robust}


def write(texts: list[str]) -> None:
    """Replace this benchmark's section of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(HEADING)
    after = "\n## " + rest.split("\n## ", 1)[1] if "\n## " in rest else ""
    head = f"Written by `python -m benchmarks.nonlinear` on {machine()}, {THREADS} threads, compiled code warm."
    PAGE.write_text("\n\n".join([before.rstrip(), HEADING, head, *texts]) + "\n" + after, encoding="utf-8")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--dry", action="store_true", help="print only")
    choice = parser.parse_args()
    texts = []
    for part in choice.parts.split(","):
        texts.append(PARTS[part]())
        print(texts[-1], flush=True)
    if not choice.dry:
        write(texts)


if __name__ == "__main__":
    main()
