"""Words of the report in every language and script, and what a browser says of the HTML."""

from __future__ import annotations

import dataclasses
import os
import re
import string
import subprocess
from pathlib import Path

import numpy as np
import pytest
from external_tools import require_executable
from report_fixtures import made_up_results
from test_report import renamed, text_of

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.fhir import bundle
from BoneStrengthFEALib.report import ReportOptions, write_html, write_pdf
from BoneStrengthFEALib.report.pdf_text import can_shape, markup
from BoneStrengthFEALib.report.prior import exam_of
from BoneStrengthFEALib.report.scripts import visual
from BoneStrengthFEALib.report.system_fonts import font_for
from BoneStrengthFEALib.report.words import languages, person_name, translate, words_of
from BoneStrengthFEALib.results import DISCLAIMER

ROOT = Path(__file__).parents[1]
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"),
)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_every_phrase_with_its_fields() -> None:
    english = words_of("en").phrases
    assert set(languages()) >= {"de", "en"}
    for language in languages():
        other = words_of(language).phrases
        assert set(other) == set(english)
        assert {k: fields(v) for k, v in other.items()} == {k: fields(v) for k, v in english.items()}
    with pytest.raises(InputError, match="choose one of"):
        words_of("xx")


def test_phrases_that_the_code_asks_for_exist() -> None:
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "BoneStrengthFEALib" / "report").glob("*.py"))
    asked = set(re.findall(r'\bsay\("([a-z_0-9]+)"', source))
    assert len(asked) > 50
    assert asked <= set(words_of().phrases)


def test_german_report_and_its_fhir_conclusion_are_german(tmp_path: Path) -> None:
    results = made_up_results(tmp_path)
    german = ReportOptions("de", exam_of(results))
    text = text_of(write_pdf(results, tmp_path, german))
    html = write_html(results, tmp_path, german).read_text(encoding="utf-8")
    line = translate("headline_strength_class", "de", classes="L1 brüchig")
    for wanted in ("brüchig", "Bruchlast", "geringe Knochenmasse", "Kein Medizinprodukt", "Änderung seit"):
        assert wanted in html
        assert wanted in text
    assert '<html lang="de">' in html
    assert "Research use only" not in html
    report = bundle(results, b"%PDF", options=german)["entry"][-1]["resource"]
    assert line in report["conclusion"]
    assert "gleiche Software" in report["conclusion"]
    assert report["presentedForm"][0]["language"] == "de"
    assert DISCLAIMER in bundle(results, b"%PDF")["entry"][-1]["resource"]["conclusion"]


def test_both_writings_of_a_name() -> None:
    assert person_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == "Yamada, Tarou (山田, 太郎)"
    assert person_name("=山田^太郎") == "山田, 太郎"


def test_hebrew_and_arabic_are_turned_and_joined() -> None:
    assert visual("ABC 12") == "ABC 12"
    assert visual("שלום x") == "םולש x"
    assert visual("(כהן, דוד)") == "(דוד ,ןהכ)"
    # beh, alef, beh: initial, final after a joining letter, isolated after one that does not join onward
    assert visual("باب") == "\ufe8f\ufe8e\ufe91"
    # lam and alef become one sign, which joins to the right alone
    assert visual("سلام") == "\ufee1\ufefc\ufeb3"


@pytest.mark.parametrize("name", ["สมชาย^ใจดี", "राजेश^कुमार", "ராஜா^குமார்", "محمد^علي", "כהן^דוד", "ᚠᚢᚦ^ᚨ"])
def test_no_letter_becomes_a_box(tmp_path: Path, name: str) -> None:
    """Every letter is drawn by a font that has it, or its script is named instead; HTML keeps the name as it is."""
    from reportlab.pdfbase import pdfmetrics

    text = markup(name.replace("^", " "))
    for family, run in re.findall(r'<font name="([^"]+)">([^<]*)</font>', text):
        assert set(map(ord, run)) <= set(pdfmetrics.getFont(family).face.charToGlyph)
    bare = re.sub(r"<font.*?</font>", "", text)
    assert set(map(ord, bare.strip())) <= set(pdfmetrics.getFont("Report").face.charToGlyph) | {32}
    if "राज" in name and not can_shape():
        assert "[Devanagari]" in text
    results = renamed(made_up_results(tmp_path), name)
    write_pdf(results, tmp_path)
    assert name.split("^")[0] in write_html(results, tmp_path).read_text(encoding="utf-8")


def test_browser_draws_the_report_without_errors_or_requests(tmp_path: Path) -> None:
    chromium = require_executable("chromium", "chromium")
    results = made_up_results(tmp_path)
    path = write_html(results, tmp_path, ReportOptions(prior=exam_of(results)))
    shot, profile = tmp_path / "page.png", tmp_path / "profile"
    command = [chromium, *CHROMIUM, f"--user-data-dir={profile}", "--window-size=1100,2400", f"--screenshot={shot}"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, check=False, timeout=300)
    said = done.stderr.decode("utf-8", "replace")
    assert "CONSOLE" not in said, said
    from PIL import Image

    pixels = np.asarray(Image.open(shot).convert("L"))
    assert (pixels < 100).mean() > 0.002, "there is text"
    html = path.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href|url\()\s*=?["\']?\s*(?:https?:|//|file:)', html)
    broken = tmp_path / "broken.html"
    broken.write_text(html.replace("</main>", "<script>boom()</script></main>"), encoding="utf-8")
    done = subprocess.run([*command, broken.as_uri()], capture_output=True, check=False, timeout=300)
    assert b"CONSOLE" in done.stderr, "an error would be seen"


def test_options_survive_the_disk(tmp_path: Path) -> None:
    from BoneStrengthFEALib.report import read_options, write_options

    results = made_up_results(tmp_path)
    options = ReportOptions("de", exam_of(results), limits={"vertebra/bmc": 12.5}, limits_source="precision.json")
    write_options(options, tmp_path)
    assert read_options(tmp_path) == dataclasses.replace(options, prior=read_options(tmp_path).prior)
    prior = read_options(tmp_path).prior
    assert prior is not None
    assert prior.values == exam_of(results).values


def test_patterns_carry_numbers_and_translate_their_parts() -> None:
    german = words_of("de")
    assert german.text("L1: 31 voxels of the vertebral body on the edge of the image") == (
        "L1: 31 Voxel des Wirbelkörpers am Bildrand"
    )
    assert german.text("missing: a bone strength") == "fehlt: eine Festigkeit"
    assert german.text("muscle 26 HU (68 voxels, found in the image)") == "Muskel 26 HU (68 Voxel, im Bild gefunden)"
    assert german.text("a text that nobody has translated") == "a text that nobody has translated"
    for pattern, words in german.patterns:
        places = {int(place) for place in re.findall(r"\\(\d)", words)}
        assert places <= set(range(1, pattern.groups + 1)), pattern.pattern


def test_bones_of_a_german_report_are_german_and_still_compared(tmp_path: Path) -> None:
    results = made_up_results(tmp_path)
    first = dataclasses.replace(results.sites[0], name="right femur")
    results = dataclasses.replace(results, sites=(first, *results.sites[1:]))
    html = write_html(results, tmp_path, ReportOptions("de", exam_of(results))).read_text(encoding="utf-8")
    assert "rechtes Femur" in html
    assert "right femur" not in html
    assert "innerhalb der Unsicherheit" in html
    assert (
        "rechtes Femur" in bundle(results, b"%PDF", options=ReportOptions("de"))["entry"][-1]["resource"]["conclusion"]
    )


@pytest.mark.parametrize("name", ["Yamada^Tarou=山田^太郎", "Wang^XiaoDong=王^小东", "Hong^Gildong=洪^吉洞"])
def test_east_asian_names_are_embedded_when_a_font_has_them(tmp_path: Path, name: str) -> None:
    """With a font of the machine the letters go into the file; without, the reader's viewer has to supply them."""
    if font_for(frozenset(map(ord, "山王洪"))) is None:
        reason = "no font with Chinese characters (Debian package fonts-droid-fallback)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    pdf = write_pdf(renamed(made_up_results(tmp_path), name), tmp_path)
    program = require_executable("pdffonts", "poppler-utils")
    listed = subprocess.run([program, str(pdf)], capture_output=True, check=True, text=True).stdout
    fonts = [row.split() for row in listed.splitlines()[2:]]
    assert [row[0] for row in fonts if row[-5] != "yes"] in ([], ["Helvetica"]), "the default, which no text uses"
    assert any("Fallback" in row[0] or "DejaVu" not in row[0] for row in fonts if row[-5] == "yes")
    assert name.split("=")[1].replace("^", ", ") in text_of(pdf)
