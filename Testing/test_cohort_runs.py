"""Cohorts that are run: resumed, disturbed, on two nodes, under a memory limit; equal to single runs."""

from __future__ import annotations

import csv
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cohort_cases import FAST, write_cohort, write_manifest

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cohort.case import Outcome, read_state
from BoneStrengthFEALib.cohort.engine import sole_use

CLI = [sys.executable, "-m", "BoneStrengthFEALib.cli"]
COUNT = 6
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), COUNT, real=1)


@pytest.fixture(scope="module")
def done(cohort: Path) -> Path:
    out = cohort.parent / "done"
    assert main(["cohort", str(cohort), str(out), "--slots", "2"]) == 0
    return out


def states(out: Path) -> dict[str, tuple[str, float]]:
    """Outcome and end time of every case."""
    found = {}
    for folder in (out / "cases").iterdir():
        state = read_state(folder)
        assert state is not None, f"{folder.name} has no state"
        found[folder.name] = (state.outcome.value, (folder / "state.json").stat().st_mtime)
    return found


def numbers(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def test_results_equal_those_of_a_single_run(done: Path, cohort: Path, tmp_path: Path) -> None:
    arguments = ["--label", "1", "--site", "vertebra", "--level", "L2", "--set", "solver.threads=1"]
    settings = [part for one in FAST.split(";") for part in ("--set", one)]
    files = [str(cohort.parent / "case001_ct.nii.gz"), "--labels", str(cohort.parent / "case001_labels.nii.gz")]
    environment = os.environ | {"NUMBA_NUM_THREADS": "1"}
    subprocess.run(
        [*CLI, "run", *files, *arguments, *settings, "--out", str(tmp_path / "one")], check=True, env=environment
    )
    assert numbers(tmp_path / "one" / "measures.csv") == numbers(done / "cases" / "case001" / "measures.csv")


def test_table_report_and_dictionary(done: Path) -> None:
    import pyarrow.parquet as pyarrow

    table = numbers(done / "cohort.csv")
    described = [row[0] for row in numbers(done / "data_dictionary.csv")[1:]]
    assert table[0] == described == pyarrow.read_table(done / "cohort.parquet").column_names
    loads = [row for row in table[1:] if row[8] == "failure_load_crawford2003"]
    assert len(loads) == COUNT
    assert all(500 < float(row[9]) < 15000 for row in loads)
    text = (done / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("<svg") == 1
    assert "cases/case" in text or "Outliers (0)" in text


def test_running_again_computes_nothing_and_a_change_only_what_it_touches(
    done: Path, cohort: Path, tmp_path: Path
) -> None:
    done = shutil.copytree(done, tmp_path / "out")
    before = states(done)
    assert main(["cohort", str(cohort), str(done), "--slots", "2"]) == 0
    assert states(done) == before
    rows = numbers(cohort)
    header = rows[0]
    changed = [dict(zip(header, row, strict=True)) for row in rows[1:]]
    changed[2]["age"] = "33"
    manifest = write_manifest(cohort.parent / "changed.csv", changed)
    assert main(["cohort", str(manifest), str(done), "--slots", "2"]) == 0
    after = states(done)
    assert [name for name in after if after[name] != before[name]] == ["case002"]


def test_refused_and_failed_cases_do_not_stop_the_others(cohort: Path, tmp_path: Path) -> None:
    rows = [dict(zip(numbers(cohort)[0], row, strict=True)) for row in numbers(cohort)[1:3]]
    for row in rows:
        row |= {"ct": str(cohort.parent / row["ct"]), "labels": str(cohort.parent / row["labels"])}
    wrong_label = rows[0] | {"case": "wrong", "label": "9"}
    broken = rows[0] | {"case": "broken", "ct": str(tmp_path / "broken.nii.gz")}
    (tmp_path / "broken.nii.gz").write_bytes(b"no image")
    manifest = write_manifest(tmp_path / "m.csv", [wrong_label, broken, rows[1]])
    assert main(["cohort", str(manifest), str(tmp_path / "out")]) == 0
    found = {name: outcome for name, (outcome, _) in states(tmp_path / "out").items()}
    assert found == {"wrong": "refused", "broken": "refused", rows[1]["case"]: "done"}
    assert "wrong" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_case_above_the_memory_limit_is_refused_with_the_numbers(cohort: Path, tmp_path: Path) -> None:
    rows = [dict(zip(numbers(cohort)[0], row, strict=True)) for row in numbers(cohort)[1:3]]
    for row in rows:
        row |= {"ct": str(cohort.parent / row["ct"]), "labels": str(cohort.parent / row["labels"]), "memory_gb": ""}
    rows[0]["memory_gb"] = "64"
    manifest = write_manifest(tmp_path / "m.csv", rows)
    assert main(["cohort", str(manifest), str(tmp_path / "out"), "--memory-limit", "8"]) == 0
    state = read_state(tmp_path / "out" / "cases" / rows[0]["case"])
    assert state is not None
    assert (state.outcome, state.code) == (Outcome.REFUSED, "MEMORY")
    assert "64.0 GB" in state.message
    assert "8.0 GB" in state.message


def descendants(process: subprocess.Popen[bytes], text: str) -> list[psutil.Process]:
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if text in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def test_two_big_cases_do_not_run_together(cohort: Path, tmp_path: Path) -> None:
    """Two slots: with memory for one case never two processes, with memory for both they do run together."""
    rows = [dict(zip(numbers(cohort)[0], row, strict=True)) for row in numbers(cohort)[1:4]]
    for row in rows:
        row |= {"ct": str(cohort.parent / row["ct"]), "labels": str(cohort.parent / row["labels"]), "memory_gb": "5"}
    manifest = write_manifest(tmp_path / "m.csv", rows)
    assert [most_at_once(manifest, tmp_path / limit, limit) for limit in ("8", "16")] == [1, 2]


def most_at_once(manifest: Path, out: Path, limit_gb: str) -> int:
    """Run a cohort on two slots and count the processes of cases alive at one time."""
    run = subprocess.Popen([*CLI, "cohort", str(manifest), str(out), "--slots", "2", "--memory-limit", limit_gb])
    most = 0
    while run.poll() is None:
        most = max(most, len(descendants(run, "case_process")))
        time.sleep(0.02)
    assert run.returncode == 0
    assert len(states(out)) == 3
    return most


def wait_for(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_killed_children_workers_and_main_leave_every_case_in_one_state(done: Path, cohort: Path) -> None:
    out = cohort.parent / "disturbed"
    command = [*CLI, "cohort", str(cohort), str(out), "--slots", "2"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(lambda: descendants(first, "case_process"))
    orphans = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.wait()
    # nothing that the killed run started goes on
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in orphans))
    second = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(lambda: descendants(second, "case_process"))
    descendants(second, "case_process")[0].kill()
    time.sleep(1.0)
    workers = [p for p in psutil.Process(second.pid).children() if "case_process" not in " ".join(p.cmdline())]
    for worker in workers:
        if "resource_tracker" not in " ".join(worker.cmdline()):
            worker.kill()
    assert second.wait(timeout=300) == 0
    assert {name: outcome for name, (outcome, _) in states(out).items()} == dict.fromkeys(states(done), "done")
    assert numbers(out / "cohort.csv") == numbers(done / "cohort.csv")
    assert not list((out / "cases").glob(".partial-*"))


def test_control_c_stops_cleanly_and_the_run_goes_on(cohort: Path) -> None:
    out = cohort.parent / "interrupted"
    command = [*CLI, "cohort", str(cohort), str(out), "--slots", "1"]
    # what starts the tests in the background may have them ignore Ctrl-C, which children inherit
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed)
    wait_for(lambda: list(out.glob("cases/case*/state.json")))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"goes on where this one was" in errors
    assert b"Traceback" not in errors
    ended = states_so_far(out)
    assert 1 <= len(ended) < COUNT
    assert main(["cohort", str(cohort), str(out), "--slots", "2"]) == 0
    assert {name: when for name, (_, when) in states(out).items() if name in ended} == ended


def states_so_far(out: Path) -> dict[str, float]:
    return {path.parent.name: path.stat().st_mtime for path in out.glob("cases/case*/state.json")}


def test_two_nodes_share_the_work(cohort: Path, tmp_path: Path) -> None:
    """A scheduler and two workers on two loopback addresses, a shared folder."""
    address = "tcp://127.0.0.1:38786"
    scheduler = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "38786", "--no-dashboard"]
    worker = [
        "-m",
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--no-dashboard",
        "--resources",
        "MEMORY=8e9",
    ]
    where = str(tmp_path)
    commands = [
        scheduler,
        *([*worker, "--host", host, "--local-directory", where] for host in ("127.0.0.2", "127.0.0.3")),
    ]
    nodes = [subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL) for command in commands]
    try:
        out = tmp_path / "out"
        assert main(["cohort", str(cohort), str(out), "--scheduler", address]) == 0
        assert set(states(out)) == {f"case{n:03d}" for n in range(COUNT)}
        assert numbers(out / "cohort.csv") == numbers(cohort.parent / "done" / "cohort.csv")
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait(timeout=30)


def test_slurm_snippet_of_the_docs_makes_a_job_script() -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    text = (Path(__file__).resolve().parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")
    snippet = text.split("```python")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(compile(snippet.split("cluster.scale")[0], "scaling.md", "exec"), names)
    cluster = names["cluster"]
    try:
        script = cluster.job_script()  # type: ignore[attr-defined]
    finally:
        cluster.close()  # type: ignore[attr-defined]
    assert isinstance(cluster, jobqueue.SLURMCluster)
    assert "#SBATCH" in script
    assert "MEMORY=" in script


def test_only_one_run_at_a_time(cohort: Path, done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sole_use(done):
        code = subprocess.run([*CLI, "cohort", str(cohort), str(done)], capture_output=True, check=False)
    assert code.returncode == 2
    assert b"another run is using" in code.stderr
