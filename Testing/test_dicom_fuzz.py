"""Thousands of damaged files: nothing but our own errors comes out, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_cases import series, write

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = 2500
SEEDS = (90210, 424243)
LONGEST_S = 2.0
MOST_MB = 200.0
VRS = (b"SQ", b"UN", b"OB", b"OW", b"DS", b"IS", b"UI", b"US", b"FD", b"LT", b"??")
LENGTHS = (0, 1, 2, 0x7FFE, 0xFFFE, 0xFFFF)
TEXTS = (b"\0", b"\xff\xfe", b"1e999", b"nan", b"-0", b"\\\\\\", b"../../x", b"9" * 40, "é".encode(), b"\x1b$B")


def mutant(content: bytes, dice: np.random.Generator) -> bytes:  # noqa: C901 - one case per kind of damage
    """Change what a parser trusts: tags, VRs, lengths, values, order, nesting, the end of the file."""
    data = bytearray(content)
    for _ in range(int(dice.integers(1, 6))):
        place = int(dice.integers(128, min(len(data), 1500)))
        kind = int(dice.integers(0, 10))
        if kind == 0:
            data[place] ^= 1 << int(dice.integers(0, 8))
        elif kind == 1:
            data[place : place + int(dice.integers(1, 60))] = b""
        elif kind == 2:
            data[place:place] = dice.bytes(int(dice.integers(1, 60)))
        elif kind == 3:
            data[place : place + 4] = int(dice.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])).to_bytes(4, "little")
        elif kind == 4:
            _at_vr(data, place, VRS[int(dice.integers(len(VRS)))], 4)
        elif kind == 5:
            _at_vr(data, place, int(LENGTHS[int(dice.integers(len(LENGTHS)))]).to_bytes(2, "little"), 6)
        elif kind == 6:
            text = TEXTS[int(dice.integers(len(TEXTS)))]
            data[place : place + len(text)] = text
        elif kind == 7:
            other = int(dice.integers(128, min(len(data), 1500)))
            data[place:place] = data[other : other + int(dice.integers(8, 200))]
        elif kind == 8:
            depth = int(dice.integers(1, 400))
            data[place:place] = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * depth
        else:
            del data[int(dice.integers(100, len(data))) :]
            data += b"\0" * max(0, 1600 - len(data)) if dice.integers(2) else b""
            data += b"\0" * max(0, 400 - len(data))
    return bytes(data)


def _at_vr(data: bytearray, place: int, new: bytes, offset: int) -> None:
    """Change an element's VR or length: elements are found by their group, which is small and little endian."""
    found = next((n for n in range(place, min(len(data), 1500)) if bytes(data[n + 4 : n + 6]).isalpha()), None)
    if found is not None:
        data[found + offset : found + offset + len(new)] = new


def one_process(seed: int, folder: Path) -> None:
    """Judge and read mutated series; prints the codes, the longest time and the peak of memory."""
    import time

    from BoneStrengthFEALib.cohort.memory import peak_memory
    from BoneStrengthFEALib.dicom_in import read_series
    from BoneStrengthFEALib.errors import BoneStrengthError

    dice = np.random.default_rng(seed)
    originals = [path.read_bytes() for path in sorted(write(series(6), folder / "source").iterdir())]
    place = folder / "mutant"
    place.mkdir()
    codes: dict[str, int] = {}
    longest = 0.0
    for number in range(MUTANTS):
        broken = int(dice.integers(len(originals)))
        paths = [place / f"{n}.dcm" for n in range(len(originals))]
        for n, (path, content) in enumerate(zip(paths, originals, strict=True)):
            path.write_bytes(mutant(content, dice) if n == broken else content)
        start = time.perf_counter()
        try:
            read_series(paths)
            code = "READ"
        except BoneStrengthError as error:
            code = error.code
        except BaseException:
            sys.stderr.write(f"mutant {number} of seed {seed}\n")
            raise
        longest = max(longest, time.perf_counter() - start)
        codes[code] = codes.get(code, 0) + 1
    sys.stdout.write(json.dumps({"codes": codes, "longest_s": longest, "peak_mb": peak_memory() / 1e6}) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_mutants_raise_nothing_but_our_own_errors(tmp_path: Path, seed: int) -> None:
    """In a process of its own: a crash of the interpreter fails this test and no other."""
    script = f"import sys, pathlib; sys.path[:0] = {[str(ROOT), str(ROOT / 'Testing')]!r}\n" + (
        f"import test_dicom_fuzz\ntest_dicom_fuzz.one_process({seed}, pathlib.Path({str(tmp_path)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert sum(result["codes"].values()) == MUTANTS
    # the mutations reach every stage: headers, the series, the decoder, and some change nothing that matters
    assert len(result["codes"]) >= 10
    assert 0 < result["codes"]["READ"] < MUTANTS / 2
    assert result["longest_s"] < LONGEST_S
    assert result["peak_mb"] < MOST_MB
