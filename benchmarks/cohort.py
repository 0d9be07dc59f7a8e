"""A cohort under fire: processes killed at random, every result equal to an undisturbed run's.

``python -m benchmarks.cohort FOLDER --cases 200`` writes the cases, runs them once in peace and once under fire.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Testing"))
from cohort_cases import write_cohort

CLI = [sys.executable, "-m", "BoneStrengthFEALib.cli", "cohort"]


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--main-kills", type=int, default=3)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    manifest = write_cohort(arguments.folder, arguments.cases, real=arguments.cases // 5)
    peace, fire = arguments.folder / "peace", arguments.folder / "fire"
    begin = time.perf_counter()
    subprocess.run([*CLI, str(manifest), str(peace), "--slots", "2"], check=True, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    alone = sum(float(row["seconds"]) for row in _rows(peace / "cases.csv"))
    print(f"undisturbed: {seconds:.1f} s; sum of single times / 2: {alone / 2:.1f} s; ratio {2 * seconds / alone:.3f}")
    kills = _under_fire(
        [*CLI, str(manifest), str(fire), "--slots", "2"], arguments.kills, arguments.main_kills, seconds
    )
    same = (peace / "cohort.csv").read_bytes() == (fire / "cohort.csv").read_bytes()
    states = [row["state"] for row in _rows(fire / "cases.csv")]
    counts = {state: states.count(state) for state in sorted(set(states))}
    print(f"killed {kills}; states {counts}; tables equal: {same}")
    assert same
    assert len(states) == arguments.cases


def _under_fire(command: list[str], kills: int, main_kills: int, seconds: float) -> dict[str, int]:
    dice = random.Random(77)
    count = {"case or worker": 0, "main": 0}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    pause = seconds / (kills + main_kills + 2)
    while process.poll() is None:
        time.sleep(dice.uniform(0.5, 1.5) * pause)
        if process.poll() is not None:
            break
        if count["main"] < main_kills and dice.random() < 0.25:
            process.kill()
            process.wait()
            count["main"] += 1
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        elif count["case or worker"] < kills:
            victims = [p for p in psutil.Process(process.pid).children(recursive=True) if _may_die(p)]
            if victims:
                dice.choice(victims).kill()
                count["case or worker"] += 1
    assert process.returncode == 0, process.returncode
    return count


def _may_die(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    main()
