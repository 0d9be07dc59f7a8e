"""Every real case from its files to its strength, without a manual step: a table and a sheet of pictures for each.

``python -m benchmarks.real_cases FOLDER --out docs/pictures/real_cases`` takes the folder of the reference data. Each
sheet shows the bone with its frame on the CT, the model with caps and boundary sets, and the strain at failure.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.anatomy import Side, Site, prepare
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.settings_arguments import settings_of
from BoneStrengthFEALib.cli.study_arguments import study_of
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.microfe import MicroFeOptions, analyse_block
from BoneStrengthFEALib.outcome_files import effective_strain_percent
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.report import model_pictures, slice_pictures, strain_pictures
from BoneStrengthFEALib.report.picture_parts import INK, PAPER, SIDE, heat, scaled
from BoneStrengthFEALib.report.pictures import VIEWS, View, pixel_mm
from BoneStrengthFEALib.results import SiteResult
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.site_analysis import SiteFields
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.solver import solve_linear
from BoneStrengthFEALib.strength import Loading, element_fields, evaluate
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

AXES = (((235, 80, 70), "x"), ((110, 210, 90), "y"), ((90, 150, 255), "z"))
ARM_MM = 22.0
MARK = (255, 255, 255)
GAP, SCALE, COLOURS = 5, 0.6, 224
"""Gap, size and palette of the sheets: small enough for a repository."""
LEGEND = ("outline: region that is modelled; ring: landmark", "red x, green y, blue z of the local frame",
          "lower left: modulus, caps grey, sets as dots", "lower right: effective strain at failure")  # fmt: skip
BLOCK_THRESHOLD, BLOCK_COARSEN = 90.0, 2
WINDOWS = {"vertebra": ((2.0, 40.0), (0.5, 15.0)), "femur": ((0.5, 8.0), (0.8, 12.0))}
"""Plausible stiffness [kN/mm] and strength [kN]."""
GIVEN = ("--calibration=given-linear", "--set=calibration.density_kind=K2HPO4")


@dataclass(frozen=True)
class Case:
    """A case and the arguments of ``run``; {0} is the folder of the data."""

    name: str
    arguments: tuple[str, ...]


_SPINE = "{0}/spine_totalseg/example_ct"
_HIP = ("{0}/hip_sts044/dicom", "--labels={0}/hip_sts044/femur_right_mask.nii.gz", "--label=1", "--site=femur")
_LIDC = ("{0}/spine_lidc0314/ct.nii.gz", "--labels={0}/spine_lidc0314/vertebral_body_mask.nii.gz")
_TPTBOX = "{0}/vertebra_tptbox/sub-ct"
CASES = (
    Case("hip_sts044, fall", _HIP),
    Case("hip_sts044, stance", (*_HIP, "--set=model.load_case=femur-stance")),
    Case("spine_lidc0314", (*_LIDC, "--label=1", "--level=T11")),
    Case("spine_lidc0314", (*_LIDC, "--label=2", "--level=T10")),
    Case(
        "spine_totalseg",
        (f"{_SPINE}.nii.gz", f"--labels={_SPINE}_vertebrae.nii.gz", "--numbering=totalsegmentator",
         *(f"--label=vertebrae_L{n}" for n in range(1, 6)), f"--tissues={_SPINE}_seg_fast.nii.gz",
         f"--bodies={_SPINE}_vertebrae_body.nii.gz"),
    ),
    Case(
        "vertebra_tptbox",
        (f"{_TPTBOX}_label-22_ct.nii.gz", f"--labels={_TPTBOX}_seg-vert_label-22_msk.nii.gz", "--numbering=tptbox",
         "--label=vertebrae_L3", f"--bodies={_TPTBOX}_seg-subreg_label-22_msk.nii.gz", "--bodies-label=49+50", *GIVEN,
         "--set=calibration.slope_mg_cm3_per_hu=0.8", "--set=calibration.intercept_mg_cm3=5"),
    ),
    Case(
        "tibia_sts049",
        ("{0}/tibia_sts049/ct.nii.gz", "--labels={0}/tibia_sts049/tibia_right_mask.nii.gz", "--label=1",
         "--site=tibia", "--side=right"),
    ),
)  # fmt: skip


def main() -> None:
    """Run all cases, print their rows and write their sheets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| case | bone | calibration | k (N/mm) | F (N) | criterion | in the windows | checks that did not pass |")
    print("|---|---|---|---|---|---|---|---|")
    for case in CASES:
        if arguments.only in case.name:
            for row in run_case(case, arguments.folder, arguments.out):
                print(row, flush=True)
    if arguments.only in "vertebra_spinefe":
        for row in run_density(arguments.folder / "vertebra_spinefe", arguments.out):
            print(row, flush=True)
    if arguments.only in "microct_lhdl":
        print(run_block(arguments.folder / "microct_lhdl" / "trab_lhdl_a.nii.gz", arguments.out))


def run_case(case: Case, folder: Path, out: Path) -> Iterator[str]:
    """Rows of one case; its sheets are written on the way."""
    given = run_parser().parse_args([text.format(folder) for text in (*case.arguments, "--out=unused")])
    study = study_of(given)
    outcome = pipeline.run(study, settings_of(given))
    for site in outcome.results.sites:
        lines = (*outcome.results.quality.lines, *site.quality.lines)
        found = sorted({line.check for line in lines if line.outcome is not Outcome.PASS})
        if not site.strengths:
            yield f"| {case.name} | {site.name} | | | | | refused | {', '.join(found)} |"
            continue
        first = site.strengths[0]
        words = (
            f"{case.name}, {site.name}",
            f"{first.stiffness_n_per_mm:.0f} N/mm, {first.force_n:.0f} N ({first.criterion})",
            f"{site.model.load_case}, {site.model.law}, {site.model.voxel_mm:g} mm" if site.model else "",
        )
        fields = outcome.fields[site.name]
        strain = effective_strain_percent(site, fields)
        sheet(study.ct, fields, strain, words).save(out / file_name(case, site), optimize=True)
        yield (
            f"| {case.name} | {site.name} | {outcome.results.calibration.method} | {first.stiffness_n_per_mm:.0f} | "
            f"{first.force_n:.0f} | {first.criterion} | {verdict(site)} | {', '.join(found) or 'none'} |"
        )


def file_name(case: Case, site: SiteResult) -> str:
    """Name of a sheet."""
    words = f"{case.name} {site.name}".replace(",", "").replace(" ", "_")
    return f"{words}.png"


def verdict(site: SiteResult) -> str:
    """Whether stiffness and strength are plausible."""
    windows = WINDOWS.get(site.site)
    if windows is None:
        return "no window"
    first = site.strengths[0]
    pairs = zip((first.stiffness_n_per_mm, first.force_n), windows, strict=True)
    inside = [low <= value / 1000 <= high for value, (low, high) in pairs]
    return ", ".join(f"{name} {'yes' if good else 'no'}" for name, good in zip("kF", inside, strict=True))


def sheet(ct: Volume, fields: SiteFields, strain: FloatArray, words: tuple[str, ...]) -> Image.Image:
    """Pictures of one bone side by side."""
    slices = slice_pictures(ct, fields.specimen)
    for view in VIEWS:
        draw_frame(slices[view.name], fields, view)
    models = model_pictures(fields.aligned, fields.loaded)
    strains = strain_pictures(fields.aligned, fields.fields.elements, strain, fields.loaded.bone)
    shown = (
        slices["axial"], slices["coronal"], slices["sagittal"], title((*words, "", *LEGEND)),
        models["model_coronal"], models["model_sagittal"], strains["strain_coronal"], strains["strain_sagittal"],
    )  # fmt: skip
    return joined(shown, 4)


def joined(pictures: tuple[Image.Image, ...], columns: int) -> Image.Image:
    """Pictures in rows, small, with a palette."""
    step, rows = SIDE + GAP, -(-len(pictures) // columns)
    canvas = Image.new("RGB", (columns * step - GAP, rows * step - GAP), (90, 94, 100))
    for n, picture in enumerate(pictures):
        canvas.paste(picture, ((n % columns) * step, (n // columns) * step))
    size = round(canvas.width * SCALE), round(canvas.height * SCALE)
    return canvas.resize(size, Image.Resampling.LANCZOS).quantize(COLOURS, kmeans=3)


def title(words: tuple[str, ...]) -> Image.Image:
    """A picture of words."""
    image = Image.new("RGB", (SIDE, SIDE), PAPER)
    draw = ImageDraw.Draw(image)
    for n, line in enumerate(words):
        draw.text((14, 20 + 30 * n), line, fill=INK, font=ImageFont.load_default(19 if n == 0 else 16))
    return image


def draw_frame(image: Image.Image, fields: SiteFields, view: View) -> None:
    """Axes of the local frame at its origin, and landmarks, projected onto a cut."""
    specimen = fields.specimen
    frame = specimen.local_to_ras
    middle = _local(frame, specimen.regions.grid.to_ras(np.argwhere(specimen.regions.array == 1)[:, ::-1].mean(axis=0)))

    def place(local: FloatArray) -> tuple[float, float]:
        away = (local - middle) / pixel_mm(specimen)
        return tuple(SIDE / 2 + sign * away[axis] for axis, sign in (view.right, view.down))  # type: ignore[return-value]

    draw = ImageDraw.Draw(image)
    for axis, (colour, name) in enumerate(AXES):
        if axis in (view.right[0], view.down[0]):
            end = place(ARM_MM * np.eye(3)[axis])
            draw.line([place(np.zeros(3)), end], fill=colour, width=3)
            draw.text(
                end, name, fill=colour, font=ImageFont.load_default(18), anchor="mm", stroke_width=2, stroke_fill=PAPER
            )
    for point in specimen.landmarks.values():
        x, y = place(_local(frame, point))
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], outline=MARK, width=2)


def _local(frame: FloatArray, point: FloatArray) -> FloatArray:
    return np.asarray((point - frame[:3, 3]) @ frame[:3, :3])


def run_density(folder: Path, out: Path) -> Iterator[str]:
    """Rows of the benchmark vertebra, whose image holds density; its caps are not used, ours are made anew."""
    stem = "sub-verse004_0000_vertebra_21"
    density = read_volume(folder / f"{stem}_im.nii.gz", Quantity.K2HPO4)
    labels, label = LabelMap(read_volume(folder / f"{stem}_seg.nii.gz", Quantity.LABEL)).joined("1+2+3+4")
    parts = LabelMap(read_volume(folder / f"{stem}_seg.nii.gz", Quantity.LABEL), dict.fromkeys((1, 2), "corpus"))
    for words, given in (("body given", parts), ("body found by shape", None)):
        specimen = prepare(labels, label, (Site.VERTEBRA, "L2", Side.NONE), given)
        built = build_model(specimen, density, ModelSettings())
        loaded, solution = built.loaded, solve_linear(built.loaded.model)
        fields = SiteFields(specimen, built.aligned, loaded, solution, element_fields(loaded.model, solution))
        loading = Loading(loaded.loaded_set, loaded.height_mm, loaded.bone)
        first = evaluate("crawford2003", loaded.model, solution, loading, fields.fields)
        site = SiteResult("L2", "vertebra", "L2", "", 1, strengths=(first,))
        title_words = (
            f"vertebra_spinefe, {words}",
            f"{first.stiffness_n_per_mm:.0f} N/mm, {first.force_n:.0f} N ({first.criterion})",
            f"{built.case.id}, {built.law.id}, {loaded.model.spacing_mm[0]:g} mm",
        )
        picture = sheet(density, fields, effective_strain_percent(site, fields), title_words)
        picture.save(out / f"vertebra_spinefe_{words.replace(' ', '_')}.png", optimize=True)
        found = sorted(line.check for line in specimen.quality.lines if line.outcome is not Outcome.PASS)
        yield (
            f"| vertebra_spinefe, {words} | L2 | density given | {first.stiffness_n_per_mm:.0f} | "
            f"{first.force_n:.0f} | {first.criterion} | {verdict(site)} | {', '.join(found) or 'none'} |"
        )


def run_block(path: Path, out: Path) -> str:
    """Row of the micro-CT block; its sheet shows three cuts of bone and strain."""
    result = analyse_block(read_volume(path, Quantity.HU), MicroFeOptions(BLOCK_THRESHOLD, "H4", 0, BLOCK_COARSEN))
    top = float(np.nanpercentile(result.strain_percent, 99.0))
    cuts = [np.take(result.strain_percent, result.bone.shape[axis] // 2, axis=axis) for axis in range(3)]
    pictures = []
    for cut in cuts:
        pixels = np.full((*cut.shape, 3), PAPER, dtype=np.uint8)
        inside = np.isfinite(cut)
        pixels[inside] = heat(np.clip(cut[inside] / top, 0, 1))
        pictures.append(scaled(pixels[::-1], SIDE / max(cut.shape)))
    first, numbers = result.strengths[0], result.numbers
    words = (
        "microct_lhdl, 1 % along k",
        f"{first.stiffness_n_per_mm:.0f} N/mm, {first.force_n:.1f} N ({first.criterion})",
        f"H4, {numbers['voxel_mm'] * 1000:.0f} um, bone {100 * numbers['bone_fraction']:.0f} %",
        f"effective strain at failure, red {top:.2g} %",
        "cuts across k, j and i",
    )
    joined((*pictures, title(words)), 4).save(out / "microct_lhdl.png", optimize=True)
    return (
        f"| microct_lhdl | block | none, grey values from {BLOCK_THRESHOLD:g} are bone | "
        f"{first.stiffness_n_per_mm:.0f} | {first.force_n:.1f} | {first.criterion} | no window | none |"
    )


if __name__ == "__main__":
    main()
