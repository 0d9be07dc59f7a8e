"""Asynchronous calibration: store, choice by scanner and voltage, age, control charts, command line."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import numpy as np
import pytest
from dicom_series import write_ct

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration import calibrate
from BoneStrengthFEALib.calibration.asynchronous import calibrate_asynchronous
from BoneStrengthFEALib.calibration.control import alike, control_chart, groups
from BoneStrengthFEALib.calibration.phantom_definition import load_phantom
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint
from BoneStrengthFEALib.calibration.scanner import diameter_class, same_scanner, scanner_of
from BoneStrengthFEALib.calibration.store import StoredCalibration, add_entry, new_entry, read_store
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.cli.main import main
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.settings_arguments import settings_of
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import CalibrationError, InputError, OutputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.report import build
from BoneStrengthFEALib.report.calibration_charts import evidence
from BoneStrengthFEALib.report.drawing import Path as Line
from BoneStrengthFEALib.report.html import render
from BoneStrengthFEALib.report.pdf import write_pdf
from BoneStrengthFEALib.report.view import Figures
from BoneStrengthFEALib.report.words import words_of
from BoneStrengthFEALib.results import StudyResults, to_plain, write_results
from BoneStrengthFEALib.results_reading import from_plain, read_results
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

EXAM = Acquisition(
    "dicom",
    kvp=120.0,
    kernel="STANDARD",
    manufacturer="GE MEDICAL SYSTEMS",
    model="Discovery",
    station="CT3",
    serial="77",
    reconstruction_diameter_mm=500.0,
    study_date="20260310",
)
TINY = Volume(np.arange(24.0).reshape(2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]), Quantity.HU)
PHANTOM = load_phantom("mindways-model3-ct")


def entry(day: str, sigma: float = 1.3, beta: float = -4.0, **changes: object) -> StoredCalibration:
    """An entry as a phantom scan of that day would give it."""
    made = Calibration(
        "phantom-mindways",
        Quantity.K2HPO4,
        (-beta / sigma, 1.0 / sigma),
        np.diag([0.25, 1e-5]),
        numbers={"hu_per_mg_cm3": sigma, "hu_at_zero": beta, "r_squared": 0.9999},
        source="phantom " + day,
    )
    scan = TINY.with_array(TINY.array + sigma + beta)
    scanner = scanner_of(dataclasses.replace(EXAM, **changes))
    return new_entry(scan, PHANTOM, made, scanner, datetime.date.fromisoformat(day))


def stored(folder: Path, *entries: StoredCalibration) -> CalibrationSettings:
    for one in entries:
        add_entry(one, folder)
    return CalibrationSettings("asynchronous", store=str(folder))


def checks(made: Calibration) -> dict[str, Outcome]:
    return {line.check: line.outcome for line in made.quality.lines}


def test_entries_are_read_back_as_they_were(tmp_path: Path) -> None:
    one = entry("2026-03-01", 1.2345678901, -3.3)
    path = add_entry(one, tmp_path / "store")
    (back,) = read_store(tmp_path / "store")
    assert (back.id, back.scanned, back.scanner, dict(back.phantom)) == (one.id, one.scanned, one.scanner, one.phantom)
    assert back.calibration.coefficients == one.calibration.coefficients
    np.testing.assert_array_equal(back.calibration.covariance, one.calibration.covariance)
    assert path.name == f"{one.id}.json"
    assert one.id.startswith("2026-03-01-120kV-")
    with pytest.raises(OutputError, match="already"):
        add_entry(one, tmp_path / "store")
    assert [p.name for p in (tmp_path / "store").iterdir()] == [path.name]


def test_damaged_or_foreign_files_are_named(tmp_path: Path) -> None:
    path = add_entry(entry("2026-03-01"), tmp_path)
    path.write_text(path.read_text(encoding="utf-8")[:400], encoding="utf-8")
    with pytest.raises(InputError, match=rf"{path.name}.*damaged"):
        read_store(tmp_path)
    path.write_text(json.dumps({"schema": "other"}), encoding="utf-8")
    with pytest.raises(InputError, match="schema"):
        read_store(tmp_path)
    with pytest.raises(InputError, match="no stored calibration"):
        read_store(tmp_path / "nowhere")


def test_the_nearest_scan_of_this_scanner_and_voltage_is_taken(tmp_path: Path) -> None:
    right = entry("2026-03-14", 1.31)
    settings = stored(
        tmp_path,
        entry("2026-02-01", 1.25),
        right,
        entry("2026-03-10", 1.6, kvp=100.0),
        entry("2026-03-10", 1.5, serial="78"),
        entry("2026-03-10", 1.4, kernel="BONE"),
    )
    made = calibrate(TINY, None, EXAM, settings)
    assert made.details["stored_entry"] == right.id
    assert float(made.density(127.0)) == pytest.approx((127.0 + 4.0) / 1.31)
    assert made.numbers["days_from_phantom_scan"] == -4.0
    assert set(checks(made).values()) == {Outcome.PASS}
    assert right.id in made.source
    assert made.method == "asynchronous"
    back = from_plain(Calibration, json.loads(json.dumps(to_plain(made))))
    assert back.details == made.details


def test_another_voltage_or_scanner_is_refused(tmp_path: Path) -> None:
    settings = stored(tmp_path, entry("2026-03-01"))
    for change in ({"kvp": 100.0}, {"serial": "78"}, {"model": "Revolution"}, {"manufacturer": "SIEMENS"}):
        with pytest.raises(CalibrationError) as caught:
            calibrate_asynchronous(dataclasses.replace(EXAM, **change), settings)
        assert caught.value.code == "NO_STORED_CALIBRATION"
    with pytest.raises(CalibrationError, match="--kvp"):
        calibrate_asynchronous(dataclasses.replace(EXAM, kvp=None), settings)
    with pytest.raises(InputError, match="store"):
        calibrate_asynchronous(EXAM, CalibrationSettings("asynchronous"))


def test_an_entry_named_by_its_file_warns_of_what_is_unknown_and_never_of_another_voltage(tmp_path: Path) -> None:
    path = add_entry(entry("2026-03-01"), tmp_path)
    settings = CalibrationSettings("asynchronous", store=str(path))
    made = calibrate_asynchronous(Acquisition("file", kvp=120.0), settings)
    outcomes = checks(made)
    assert outcomes["STORED_KVP"] is Outcome.PASS
    assert {outcomes[c] for c in ("STORED_SCANNER", "STORED_KERNEL", "STORED_AGE")} == {Outcome.WARN}
    other = calibrate_asynchronous(dataclasses.replace(EXAM, serial="78"), settings)
    assert [line.check for line in other.quality.refused] == ["STORED_SCANNER"]
    for kvp in (100.0, None):
        with pytest.raises(CalibrationError) as caught:
            calibrate_asynchronous(Acquisition("file", kvp=kvp), settings)
        assert caught.value.code == "KVP"


@pytest.mark.parametrize(
    ("change", "code", "outcome"),
    [
        ({"kernel": "BONE"}, "STORED_KERNEL", Outcome.REFUSE),
        ({"kernel": "SOFT"}, "STORED_KERNEL", Outcome.PASS),
        ({"reconstruction_diameter_mm": 300.0}, "STORED_DIAMETER", Outcome.WARN),
        ({"study_date": "20260331"}, "STORED_AGE", Outcome.PASS),
        ({"study_date": "20260401"}, "STORED_AGE", Outcome.WARN),
        ({"study_date": "20270302"}, "STORED_AGE", Outcome.REFUSE),
        ({"study_date": "20260129"}, "STORED_AGE", Outcome.WARN),
        ({"study_date": ""}, "STORED_AGE", Outcome.WARN),
        ({"station": "renamed"}, "STORED_SCANNER", Outcome.PASS),
        ({"serial": ""}, "STORED_SCANNER", Outcome.PASS),
    ],
)
def test_checks_of_protocol_and_age(tmp_path: Path, change: dict[str, object], code: str, outcome: Outcome) -> None:
    settings = stored(tmp_path, entry("2026-03-01"))
    made = calibrate_asynchronous(dataclasses.replace(EXAM, **change), settings)
    assert checks(made)[code] is outcome


def test_one_kernel_of_unknown_kind_is_one_kernel(tmp_path: Path) -> None:
    settings = stored(tmp_path, entry("2026-03-01", kernel="XYZ"))
    for kernel, outcome in (("xyz", Outcome.PASS), ("ABC", Outcome.WARN)):
        made = calibrate_asynchronous(dataclasses.replace(EXAM, kernel=kernel), settings)
        assert checks(made)["STORED_KERNEL"] is outcome


def test_scanner_without_a_machine_name_is_undecided() -> None:
    bare = dataclasses.replace(EXAM, serial="", station="")
    assert same_scanner(scanner_of(bare), scanner_of(EXAM)) is None
    assert [diameter_class(d) for d in (200.0, 250.0, 250.5, 401.0, None)] == [
        "small",
        "small",
        "medium",
        "large",
        "unknown",
    ]


def test_control_limits_by_hand() -> None:
    """Moving ranges 2, 1, 3, 2 have mean 2: sigma = 2 / 1.128 = 1.7730 about the mean 11.8."""
    chart = control_chart([10.0, 12.0, 11.0, 14.0, 12.0])
    assert chart.centre == pytest.approx(11.8)
    assert chart.sigma == pytest.approx(2.0 / 1.128)
    assert chart.limits == pytest.approx((11.8 - 5.31915, 11.8 + 5.31915), abs=1e-4)
    assert control_chart([1.0, 2.0, 3.0, 4.0]).limits is None
    base = [10.0, 12.0] * 10
    assert control_chart([*base, 17.0]).signals()[-1] == "outside limits"
    assert control_chart([*base, 16.0]).signals()[-1] == ""
    drifted = control_chart([*base, *[11.5] * 8]).signals()
    # the last of the baseline lies on the same side
    assert drifted[-2:] == ["shifted", "shifted"]
    assert not any(drifted[:-2])
    assert not any(control_chart([1.3] * 7).signals())


def test_an_entry_out_of_control_warns_and_scatter_widens_the_uncertainty(tmp_path: Path) -> None:
    slopes = [1.300, 1.302, 1.299, 1.301, 1.298, 1.303, 1.30]
    settings = stored(tmp_path, *(entry(f"2026-02-{n + 1:02d}", s) for n, s in enumerate(slopes)))
    early = calibrate_asynchronous(dataclasses.replace(EXAM, study_date="20260201"), settings)
    assert checks(early)["STORED_CONTROL"] is Outcome.PASS
    # they scatter less than their fits are uncertain
    fit = np.diag([0.25, 1e-5])
    np.testing.assert_allclose(early.covariance, fit, rtol=1e-9)
    lines = [(1.25, -9.0), (1.36, -7.0), (1.27, 3.0), (1.31, -12.0), (1.35, 4.0), (1.24, 0.0)]
    wide = stored(tmp_path / "a", *(entry(f"2026-02-{n + 1:02d}", *line) for n, line in enumerate(lines)))
    scatter = np.cov(np.array([(-b / s, 1.0 / s) for s, b in lines]).T)
    # the scanner changed before the phantom's day and before the examination's: twice, less the fit's own scatter
    covariance = calibrate_asynchronous(dataclasses.replace(EXAM, study_date="20260201"), wide).covariance
    np.testing.assert_allclose(covariance, 2.0 * scatter - fit, rtol=1e-9)
    many = [entry(f"2025-01-{n + 1:02d}", 1.3 + 0.002 * (-1) ** n) for n in range(20)]
    settings = stored(tmp_path / "b", *many, entry("2026-03-10", 1.35))
    assert checks(calibrate_asynchronous(EXAM, settings))["STORED_CONTROL"] is Outcome.WARN


def test_history_keeps_scanners_voltages_and_phantoms_apart() -> None:
    a, b = entry("2026-01-01"), entry("2026-02-01", 1.31)
    c, d = entry("2026-01-01", kvp=100.0), entry("2026-01-02", serial="9")
    found = groups((a, c, d, b))
    assert [[e.id for e in group] for group in found] == [[a.id, b.id], [c.id], [d.id]]
    other = dataclasses.replace(b, phantom={"id": "qrm-bdc6"})
    assert [e.id for e in alike(a, (a, other))] == [a.id]


def test_command_line_from_phantom_scan_to_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ct = demo_study(("L2",)).ct
    scan = tmp_path / "scan.nii.gz"
    write_volume(with_phantom(ct, PHANTOM, Placement((230.0, 183.0), 1.31, -4.0, noise_hu=8.0, seed=3)), scan)
    store = tmp_path / "store"
    line = ["calibrate", str(scan), "--phantom", PHANTOM.id, "--store", str(store)]
    assert main(line) == 2
    assert "--date and --kvp" in capsys.readouterr().err
    facts = ["--date", "2026-03-01", "--kvp", "120", "--manufacturer", "GE MEDICAL SYSTEMS", "--model", "Discovery"]
    assert main([*line, *facts, "--serial", "77", "--kernel", "STANDARD"]) == 0
    assert "stored for GE MEDICAL SYSTEMS Discovery 77, 120 kV" in capsys.readouterr().out
    made = calibrate_asynchronous(EXAM, CalibrationSettings("asynchronous", store=str(store)))
    assert float(made.density(1.31 * 150.0 - 4.0)) == pytest.approx(150.0, abs=2.0)
    for name in ("history.html", "history.svg"):
        assert main(["calibrate", "--history", "--store", str(store), "--out", str(tmp_path / name)]) == 0
    shown = capsys.readouterr().out
    assert "2026-03-01" in shown
    assert "no limits yet" in shown
    page = (tmp_path / "history.html").read_text(encoding="utf-8")
    assert made.details["stored_entry"] in page
    assert page.count("<svg") == 2
    assert main(["calibrate", "--store", str(store)]) == 2


def test_run_takes_method_phantom_and_store() -> None:
    line = ["ct", "--labels", "l", "--label", "1", "--out", "o", "--calibration", "asynchronous", "--store", "2024"]
    chosen = settings_of(run_parser().parse_args(line)).calibration
    assert (chosen.method, chosen.store) == ("asynchronous", "2024")
    chosen = settings_of(run_parser().parse_args([*line[:-4], "--calibration", "phantom", "--phantom", "esp"]))
    assert (chosen.calibration.method, chosen.calibration.phantom) == ("phantom", "esp")


def test_report_and_results_name_the_entry(tmp_path: Path) -> None:
    one = entry("2026-03-14", 1.31)
    made = calibrate_asynchronous(EXAM, stored(tmp_path / "store", one))
    results = StudyResults(EXAM, made, (), None, made.quality, {}, {"software": "test", "utc": "2026-03-15"})
    assert one.id in render(build(results), tmp_path)
    write_pdf(results, tmp_path)
    assert (tmp_path / "report.pdf").stat().st_size > 5000
    write_results(results, tmp_path / "results.json")
    assert read_results(tmp_path).calibration.details["stored_entry"] == one.id  # type: ignore[union-attr]


def test_charts_of_a_calibration_hold_every_sample() -> None:
    """One histogram per sample whose bars add up, one line per rod; a rod without slices or samples draws nothing."""
    rod = CalibrationPoint("A<b", 10.0, 2.0, 6, 0.0, 0.1, (0.0, 5.0, 10.0, 15.0), (1, 2, 3), (9.0, float("nan"), 11.0))
    bare = CalibrationPoint("B", 60.0, 2.0, 6, 50.0, 50.1)
    say = words_of()
    found = evidence(Calibration("phantom-linear", Quantity.CAHA, (0.0, 0.8), points=(rod, bare)), say)
    histogram, rods = (block.items[0][0] for block in found if isinstance(block, Figures))
    assert len([s for s in histogram.shapes if isinstance(s, Line) and s.fill]) == 3
    # frame, zero line and one line of two points for the rod: the slice between has no value
    assert [len(s.points) for s in rods.shapes if isinstance(s, Line)] == [5, 2, 2]
    assert evidence(Calibration("given-linear", Quantity.CAHA, (0.0, 0.8), points=(bare,)), say) == []


def test_dicom_phantom_scan_serves_a_dicom_examination(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scanner, voltage, kernel and day come from headers; nothing of a person reaches the store."""
    ct = demo_study(("L2",)).ct.cropped((30, 0, 0), (60, 101, 122))
    phantom = write_ct(
        with_phantom(ct, PHANTOM, Placement((230.0, 183.0), 1.28, 5.0, noise_hu=8.0, seed=11)),
        tmp_path / "qa",
        "qa",
        DeviceSerialNumber="S-19",
        StationName="CT3",
        ReconstructionDiameter="366",
    )
    store = tmp_path / "store"
    assert main(["calibrate", str(phantom), "--phantom", PHANTOM.id, "--store", str(store), "--kvp", "100"]) == 2
    assert "the images say 120" in capsys.readouterr().err
    assert main(["calibrate", str(phantom), "--phantom", PHANTOM.id, "--store", str(store)]) == 0
    (path,) = store.iterdir()
    text = path.read_text(encoding="utf-8")
    assert path.name.startswith("2026-03-09-120kV-")
    assert "Zo" not in text
    assert "4711" not in text
    patient = write_ct(ct, tmp_path / "ct", "p", DeviceSerialNumber="S-19", StationName="CT3")
    acquisition = read_folder(patient).acquisition
    made = calibrate_asynchronous(acquisition, CalibrationSettings("asynchronous", store=str(store)))
    assert {code for code, outcome in checks(made).items() if outcome is not Outcome.PASS} <= {"STORED_DIAMETER"}
    assert float(made.density(1.28 * 120.0 + 5.0)) == pytest.approx(120.0, abs=2.4)
    other = write_ct(ct, tmp_path / "other", "o", DeviceSerialNumber="S-20", StationName="CT4")
    with pytest.raises(CalibrationError, match="no stored calibration is of this scanner"):
        calibrate_asynchronous(read_folder(other).acquisition, CalibrationSettings("asynchronous", store=str(store)))
