"""The report: what it must say, in any script, the same bytes each time, and that results survive the disk."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from external_tools import require_executable
from report_fixtures import made_up_results, refused_results

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.report import ReportOptions, build, compare, differences, write_html, write_pdf
from BoneStrengthFEALib.report.pdf import render_pdf
from BoneStrengthFEALib.report.prior import exam_of
from BoneStrengthFEALib.results import StudyResults, results_to_dict, write_results
from BoneStrengthFEALib.results_reading import read_results, results_from_dict


def text_of(pdf: Path) -> str:
    program = require_executable("pdftotext", "poppler-utils")
    said = subprocess.run([program, "-layout", str(pdf), "-"], capture_output=True, check=True).stdout
    return said.decode("utf-8").replace("\u00a0", " ")


def renamed(results: StudyResults, name: str) -> StudyResults:
    subject = dataclasses.replace(results.acquisition.subject, name=name)
    return dataclasses.replace(results, acquisition=dataclasses.replace(results.acquisition, subject=subject))


def test_results_survive_the_disk(tmp_path: Path) -> None:
    results = made_up_results(tmp_path)
    write_results(results, tmp_path / "results.json")
    back = read_results(tmp_path)
    assert results_to_dict(back) == results_to_dict(results)
    assert back.sites[0].bmd == results.sites[0].bmd
    assert back.sites[0].curve == results.sites[0].curve
    assert back.calibration is not None
    assert float(back.calibration.density(100.0)) == pytest.approx(-3.25 + 81.5)


@pytest.mark.parametrize("change", [{"schema": "other/9"}, {"sites": 7}, {"acquisition": None}])
def test_foreign_json_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    data = results_to_dict(made_up_results(tmp_path)) | change
    with pytest.raises(InputError, match="again"):
        results_from_dict(data)


def test_pdf_says_the_numbers_and_the_limits(tmp_path: Path) -> None:
    text = text_of(write_pdf(made_up_results(tmp_path), tmp_path))
    for wanted in (
        "2390 N",
        "86 ± 4 mg/cm³",
        "low bone mass",
        "Łukasiewicz-Παπαδόπουλος, Zoë",
        "Research use only",
        "31 voxels on the edge",
        "another, commercial",
        "2026-03-09",
        "0.815",
        "(unverified)",
    ):
        assert wanted in text, wanted
    assert text.count("Not a medical device") >= 2, "on every page"


def test_pdf_is_the_same_bytes_and_embeds_its_font(tmp_path: Path) -> None:
    results = made_up_results(tmp_path)
    first = render_pdf(build(results), tmp_path)
    assert first == render_pdf(build(results), tmp_path)
    assert first != render_pdf(build(renamed(results, "Other^Name")), tmp_path)
    (tmp_path / "a.pdf").write_bytes(first)
    program = require_executable("pdffonts", "poppler-utils")
    listed = subprocess.run([program, str(tmp_path / "a.pdf")], capture_output=True, check=True, text=True).stdout
    rows = [row.split() for row in listed.splitlines()[2:]]
    assert any("DejaVuSans" in row[0] for row in rows)
    assert all("yes" in row for row in rows if "DejaVu" in row[0])


@pytest.mark.parametrize(
    "name", ["山田^太郎", "김^철수", "Очень-Длинная-Фамилия" * 6 + "^Имя", "<script>alert(1)</script>^&amp;<b>"]
)
def test_names_of_any_script_and_length(tmp_path: Path, name: str) -> None:
    results = renamed(made_up_results(tmp_path), name)
    text = text_of(write_pdf(results, tmp_path)).replace("\n", "").replace(" ", "")
    family = name.split("^")[0]
    assert family[:10] in text
    html = write_html(results, tmp_path).read_text(encoding="utf-8")
    assert "<script" not in html


def test_a_refused_examination_says_why(tmp_path: Path) -> None:
    results = refused_results(tmp_path)
    text = text_of(write_pdf(results, tmp_path))
    assert "No strength could be computed" in text
    assert "Body cut by field of view" in text
    assert "choose a complete level" in text
    html = write_html(results, tmp_path).read_text(encoding="utf-8")
    assert "No strength could be computed" in html
    assert "31 voxels on the edge" in html


def test_change_against_a_prior_examination(tmp_path: Path) -> None:
    now = made_up_results(tmp_path)
    site = now.sites[0]
    old_density = dataclasses.replace(site.bmd[0], value=100.0, uncertainty=3.0)
    old_site = dataclasses.replace(site, bmd=(old_density, site.bmd[1]))
    before = dataclasses.replace(now, sites=(old_site,), settings={"law": "V2", "accept": ["KVP"]})
    load, density, volume = compare(now, exam_of(before))
    assert density.change == pytest.approx(-13.66)
    # by hand: 1.96 sqrt(4.25^2 + 3^2) = 1.96 * 5.2022 = 10.196
    assert density.limit == pytest.approx(10.196, abs=1e-3)
    # another law does not touch a density, but what one setting "law" touches nobody can tell
    assert density.verdict == "verdict_not_comparable"
    assert load.change == 0.0
    assert differences(now, exam_of(before)) == (("setting law", "V1", "V2"),)
    for text in (
        text_of(write_pdf(now, tmp_path, ReportOptions(prior=exam_of(before)))),
        write_html(now, tmp_path, ReportOptions(prior=exam_of(before))).read_text(encoding="utf-8"),
    ):
        assert "V2 before" in text
        assert "Not fully comparable" in text
        assert "not comparable" in text
    same = dataclasses.replace(before, settings=now.settings)
    load, density, volume = compare(now, exam_of(same))
    assert (density.verdict, volume.verdict, load.verdict) == (
        "verdict_decrease",
        "verdict_no_limit",
        "verdict_no_limit",
    )
    known = compare(now, exam_of(same), {"vertebra/failure_load_crawford2003": 210.0})[0]
    assert (known.limit, known.limit_source, known.verdict) == (210.0, "precision", "verdict_within")
    html = write_html(now, tmp_path, ReportOptions(prior=exam_of(same))).read_text(encoding="utf-8")
    assert "none known (unverified)" in html


def test_a_model_that_differs_spares_the_density(tmp_path: Path) -> None:
    now = made_up_results(tmp_path)
    site = now.sites[0]
    assert site.model is not None
    other = dataclasses.replace(site, model=dataclasses.replace(site.model, voxel_mm=1.5))
    load, density, _ = compare(now, exam_of(dataclasses.replace(now, sites=(other,))))
    assert (load.verdict, density.verdict) == ("verdict_not_comparable", "verdict_within")


def test_equal_uncertainties_give_the_familiar_least_significant_change(tmp_path: Path) -> None:
    now = made_up_results(tmp_path)
    limit = compare(now, exam_of(now))[1].limit
    assert limit == pytest.approx(2.77 * 4.25, rel=2e-3)


def test_command_renders_and_refuses_another_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made_up_results(tmp_path)
    write_results(results, tmp_path / "results.json")
    assert main(["report", str(tmp_path)]) == 0
    assert (tmp_path / "report.pdf").is_file()
    prior = tmp_path / "prior"
    prior.mkdir()
    subject = dataclasses.replace(results.acquisition.subject, patient_id="ID-9")
    other = dataclasses.replace(results, acquisition=dataclasses.replace(results.acquisition, subject=subject))
    write_results(other, prior / "results.json")
    assert main(["report", str(tmp_path), "--prior", str(prior)]) != 0
    assert "another patient" in capsys.readouterr().err


def test_nobody_without_a_patient_id_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made_up_results(tmp_path)
    subject = dataclasses.replace(results.acquisition.subject, patient_id="")
    nameless = dataclasses.replace(results, acquisition=dataclasses.replace(results.acquisition, subject=subject))
    write_results(nameless, tmp_path / "results.json")
    prior = tmp_path / "prior"
    prior.mkdir()
    write_results(nameless, prior / "results.json")
    assert main(["report", str(tmp_path), "--prior", str(prior)]) == 2
    assert "no patient ID" in capsys.readouterr().err


def test_references_are_listed_once(tmp_path: Path) -> None:
    text = text_of(write_pdf(made_up_results(tmp_path), tmp_path))
    listed = text.split("References")[1].split("Provenance")[0]
    assert listed.count("Crawford 2003") == 1
    assert "ACR" in listed
    assert "<h2>References</h2>" in write_html(made_up_results(tmp_path), tmp_path).read_text(encoding="utf-8")
