"""Cohorts without running any: manifests and their faults, states, precision, change over time, outliers."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
from cohort_cases import write_manifest

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cohort.case import Case, CaseState, Outcome, fingerprint, is_current, read_state, request_sha256
from BoneStrengthFEALib.cohort.case import write_state as save
from BoneStrengthFEALib.cohort.execute import case_from_json, case_to_json
from BoneStrengthFEALib.cohort.longitudinal import changes
from BoneStrengthFEALib.cohort.manifest import read_rows
from BoneStrengthFEALib.cohort.measure_rows import MeasureRow
from BoneStrengthFEALib.cohort.precision import precision_of, read_precision, write_precision
from BoneStrengthFEALib.cohort.report import outliers
from BoneStrengthFEALib.errors import InputError

GOOD = {"case": "a", "ct": "ct.nii.gz", "labels": "labels.nii.gz", "label": "1", "level": "L2", "site": "vertebra"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("ct.nii.gz", "labels.nii.gz"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def check(folder: Path, *rows: dict[str, str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["cohort", str(write_manifest(folder / "m.csv", rows)), str(folder / "out"), "--check"])
    captured = capsys.readouterr()
    assert not (folder / "out").exists()
    return code, captured.out + captured.err


def test_a_good_manifest_is_accepted(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = check(images, GOOD, GOOD | {"case": "b", "level": "L3"}, capsys=capsys)
    assert (code, text.strip()) == (0, "2 cases, no faults")


def test_all_faults_are_listed_at_once(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        GOOD | {"colour": "red", "set": ""},
        GOOD | {"case": "A", "level": "L3"},
        GOOD | {"case": "c", "ct": "missing.nii.gz"},
        GOOD | {"case": "../d"},
        GOOD | {"case": "e", "sex": "female"},
        GOOD | {"case": "f", "set": "model.voxel_mm=tiny"},
        GOOD | {"case": "g", "set": "model.nothing=1"},
        GOOD | {"case": "h"},
    ]
    rows = [{"colour": "", "set": "", "sex": "", **row} for row in rows]
    code, text = check(images, *rows, capsys=capsys)
    assert code == 2
    for part in (
        "unknown column 'colour'",
        "line 3 (A): case id 'A' was used on line 2",
        "missing.nii.gz does not exist",
        "line 5 (../d): case id",
        "line 6 (e): argument --sex: invalid choice",
        "line 7 (f)",
        "line 8 (g)",
        "case h asks for exactly what case a does",
    ):
        assert part in text


def test_manifest_as_parquet_reads_like_csv(images: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"case": ["a", "b"], "age": [71.0, None], "ct": ["x", "y"]})
    parquet.write_table(table, images / "m.parquet")
    assert read_rows(images / "m.parquet") == [
        {"case": "a", "age": "71", "ct": "x"},
        {"case": "b", "age": "", "ct": "y"},
    ]


@pytest.mark.parametrize("content", [b"", b"case,ct\n", b"case,case\na,b\n", b"case,ct\na,b,c\n", b"\xff\xfe\x00"])
def test_unusable_manifests_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_rows(path)


def made_case(folder: Path, **changed: object) -> Case:
    return dataclasses.replace(
        Case("a", ("--label=1", "--", "ct"), (folder / "ct.nii.gz",), "5" * 64),
        **changed,  # type: ignore[arg-type]
    )


def test_state_holds_until_settings_arguments_or_content_change(images: Path) -> None:
    case = made_case(images)
    state = CaseState(Outcome.DONE, "", "", request_sha256(case), fingerprint(case.files, {}), 1.5, 10)
    save(state, images)
    back = read_state(images)
    assert back == state
    assert is_current(state, case)
    assert not is_current(state, made_case(images, settings_sha256="6" * 64))
    assert not is_current(state, made_case(images, arguments=("--label=2", "--", "ct")))
    os.utime(images / "ct.nii.gz", ns=(1, 1))
    assert is_current(state, case), "the same bytes at another time are the same input"
    (images / "ct.nii.gz").write_bytes(b"other bytes")
    assert not is_current(state, case)
    (images / "ct.nii.gz").unlink()
    assert not is_current(state, case)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"outcome": "perhaps", "inputs": {}}'])
def test_a_broken_state_means_run_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="utf-8")
    assert read_state(tmp_path) is None


def test_case_crosses_the_process_border(images: Path) -> None:
    case = made_case(images, subject="søren", age_years=71.25)
    assert case_from_json(case_to_json(case)) == case


def row(subject: str, value: float, time: str = "", **changed: object) -> MeasureRow:
    case = Case(f"{subject}{time}{value}", (), (), "s", subject, time, sex="F")
    made = MeasureRow(case, "vertebra", "L2", "", "stiffness", value, "N/mm", None, "", "")
    return dataclasses.replace(made, **changed)  # type: ignore[arg-type]


def test_precision_by_hand(tmp_path: Path) -> None:
    """SDs 1 (3 scans: 9, 10, 11) and sqrt(8) (2 scans: 18, 22): RMS-SD = sqrt((2 + 8) / 3)."""
    rows = [row("a", v) for v in (9.0, 10.0, 11.0)] + [row("b", v) for v in (18.0, 22.0)] + [row("c", 5.0)]
    found = precision_of(rows)
    line = found["vertebra", "stiffness"]
    assert (line.subjects, line.freedom) == (2, 3)
    assert line.rms_sd == pytest.approx(math.sqrt(10 / 3))
    assert line.rms_cv == pytest.approx(math.sqrt((2 / 100 + 8 / 400) / 3))
    assert line.least_significant_change == pytest.approx(1.96 * math.sqrt(2) * math.sqrt(10 / 3))
    write_precision(found, tmp_path / "p.json")
    assert read_precision(tmp_path / "p.json") == found


def test_upper_limit_of_precision_is_the_published_one() -> None:
    """Glüer 1995: 27 degrees of freedom put the upper limit 30 % above the estimate."""
    rows = [row(f"s{n}", value) for n in range(27) for value in (100.0, 100.0 + (-1) ** n)]
    line = precision_of(rows)["vertebra", "stiffness"]
    assert line.freedom == 27
    assert line.upper_sd / line.rms_sd == pytest.approx(1.30, abs=0.01)


def test_precision_needs_repeats() -> None:
    with pytest.raises(InputError, match="no subject has two scans"):
        precision_of([row("a", 1.0), row("b", 2.0)])


def test_change_is_judged_by_the_least_significant_change() -> None:
    precision = precision_of([row("x", 99.0), row("x", 101.0)])
    limit = precision["vertebra", "stiffness"].least_significant_change
    rows = [row("a", 100.0, "2020-01-01"), row("a", 100.0 + 0.9 * limit, "2021-01-01"), row("a", 80.0, "2019-01-01")]
    first, second = changes(rows, precision)
    assert (first.first_time, first.later_time, first.verdict) == ("2019-01-01", "2020-01-01", "increase")
    assert second.change == pytest.approx(20.0 + 0.9 * limit)
    within = changes(rows[:2], precision)[0]
    assert (within.verdict, within.least_significant_change) == ("within precision error", limit)
    assert changes(rows[:2], None)[0].verdict == "no precision known"
    other = dataclasses.replace(rows[1], case=dataclasses.replace(rows[1].case, settings_sha256="t"))
    assert changes([rows[0], other], precision)[0].verdict == "settings differ"


def test_times_without_order_are_refused() -> None:
    with pytest.raises(InputError, match="neither a number nor an ISO date"):
        changes([row("a", 1.0, "spring"), row("a", 2.0, "autumn")], None)


def test_outliers_are_found_among_their_own() -> None:
    values = np.array([10.0, 11.0, 12.0, 13.0, 14.0, 40.0])
    found = outliers([row("a", v) for v in values])
    # median 12.5, absolute distances 2.5 1.5 .5 .5 1.5 27.5, MAD 1.5
    assert [(r.value, pytest.approx(0.6745 * 27.5 / 1.5)) for r, _ in found] == [(40.0, found[0][1])]
