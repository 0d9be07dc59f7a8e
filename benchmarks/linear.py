"""The bundled linear solver against other codes; writes its section of docs/performance.md.

python -m benchmarks.linear [--quick] [--models qct,cube64] [--repeats 3] [--dry]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.synthetic import fields
from BoneStrengthFEALib.volume import FloatArray

TOLERANCE = 1e-6
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEADING = "## Linear solver"
MODELS: dict[str, Callable[[], FloatArray]] = {"qct": fields.vertebral_body}
MODELS |= {f"cube{n}": lambda n=n: fields.cube(n) for n in (32, 64, 100)}  # type: ignore[misc]
MODELS |= {f"trab{n}": lambda n=n: fields.trabecular(n) for n in (64, 100, 150, 200, 250)}  # type: ignore[misc]
QUICK = "qct,cube32,cube64,trab64"
ALL = "qct,cube32,cube64,trab64,trab100,cube100,trab150,trab200,trab250"
ASSEMBLED_UP_TO = 56_000
"""Elements; assembled matrices of larger models take gigabytes."""
FACTORED_UP_TO = 40_000
"""Elements; CalculiX's direct solver takes minutes and gigabytes beyond, if a machine has it at all."""
PEER_UP_TO = 1_000_000
"""Elements; larger models are run with the bundled solver only."""
ONCE_FROM = 150_000
"""Elements; peers that take minutes are run once from here on, and all codes beyond PEER_UP_TO."""
TIME_LIMIT_S = 1800.0
Row = dict[str, float | str]


def measure(name: str, repeats: int, limit_s: float) -> list[Row]:
    """Run every code that can on one model."""
    young = MODELS[name]()
    count = int((young > 0).sum())
    codes = ["ours"]
    codes += ["parosol-py"] if count <= PEER_UP_TO else []
    codes += ["scipy", "pyamg"] if count <= ASSEMBLED_UP_TO else []
    codes += ["calculix"] if count <= FACTORED_UP_TO and shutil.which("ccx") else []

    def times(code: str) -> int:
        return 1 if count > PEER_UP_TO or (code != "ours" and count > ONCE_FROM) else repeats

    nodes = int(np.unique(_corner_ids(young > 0)).size)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "young.npy"
        np.save(file, young)
        plan = [("ours", TOLERANCE), ("ours", 1e-8), *((c, TOLERANCE) for c in codes[1:])]
        return [{"model": name, "dofs": 3 * nodes, **_run(c, file, t, times(c), limit_s)} for c, t in plan]


def _corner_ids(mask: np.ndarray) -> np.ndarray:
    shape = np.array(mask.shape) + 1
    first = np.argwhere(mask) @ np.array([shape[1] * shape[2], shape[2], 1])
    steps = [k * shape[1] * shape[2] + j * shape[2] + i for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    return np.concatenate([first + s for s in steps])


def _run(code: str, file: Path, tolerance: float, repeats: int, limit_s: float) -> Row:
    command = [sys.executable, "-m", "benchmarks.one", code, str(file), str(tolerance), str(repeats)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=limit_s, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = {"failed": f"not done after {limit_s:.0f} s"}
    except subprocess.CalledProcessError as error:
        found = {"failed": error.stderr.strip().splitlines()[-1][:90]}
    return {"code": code, "tolerance": tolerance, **found}


def table(rows: list[Row]) -> str:
    """Write the rows as a Markdown table."""
    lines = [
        "| model | dofs | code | residual | seconds | times ours | iterations | reaction [N] | peak [MB] | bytes/dof |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        head = f"| {row['model']} | {row['dofs']:,} | {row['code']} | {row['tolerance']:.0e} |"
        if "failed" in row:
            lines.append(f"{head} {row['failed']} | | | | | |")
            continue
        base = next((r for r in rows if r["model"] == row["model"] and r["code"] == "ours" and "seconds" in r), row)
        lines.append(
            f"{head} {row['seconds']:.2f} | {float(row['seconds']) / float(base['seconds']):.1f} | "
            f"{row['iterations']:.0f} | {row['reaction_n']:.6g} | {_memory(row)} |"
        )
    return "\n".join(lines)


def _memory(row: Row) -> str:
    peak = float(row["peak_bytes"])
    return f"{peak / 1e6:.0f} | {peak / float(row['dofs']):.0f}" if peak > 0 else "not measured |"


def machine() -> str:
    """Name the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def load() -> str:
    """Say how busy the machine is, where it can be asked: other work makes every number here uncertain."""
    if not hasattr(os, "getloadavg"):
        return ""
    return f" Load average of the machine at the end {os.getloadavg()[2]:.1f}: much above 2, others worked on it too."


def write(rows: list[Row], repeats: int) -> None:
    """Replace this benchmark's section of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(HEADING)
    after = "\n## " + rest.split("\n## ", 1)[1] if "\n## " in rest else ""
    notes = (
        f"Written by `python -m benchmarks.linear` on {machine()}; medians of {repeats} (peers "
        f"above {ONCE_FROM:,} elements and all above {PEER_UP_TO:,}: one run), setup + solve, compiled code "
        "warm, 2 threads or 2 processes, every code in a process of its own, all in one run. parosol-py's seconds are "
        "its native program's own clock, without writing its input and starting it; its memory is not measured. "
        "Peak memory of the others is above the interpreter with the model loaded. The residual is each "
        f"code's own stopping rule; an iteration of one code is not the work of another's.{load()}"
    )
    PAGE.write_text(f"{before.rstrip()}\n\n{HEADING}\n\n{notes}\n\n{table(rows)}\n{after}", encoding="utf-8")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK}")
    parser.add_argument("--models", default="", help=f"of {','.join(MODELS)}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=TIME_LIMIT_S, help="seconds for one code on one model")
    parser.add_argument("--dry", action="store_true", help="print only")
    choice = parser.parse_args()
    names = (choice.models or (QUICK if choice.quick else ALL)).split(",")
    rows: list[Row] = []
    for name in names:
        rows += measure(name, choice.repeats, choice.limit)
        print(table([r for r in rows if r["model"] == name]), flush=True)
        if not choice.dry:
            write(rows, choice.repeats)


if __name__ == "__main__":
    main()
