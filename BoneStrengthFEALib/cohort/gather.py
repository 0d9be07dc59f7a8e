"""What a cohort leaves beside its case folders: one tidy table, its data dictionary, the list of cases, the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from BoneStrengthFEALib.atomic_files import replacing, write_text
from BoneStrengthFEALib.cohort.case import Case, CaseState
from BoneStrengthFEALib.cohort.longitudinal import changes, changes_csv
from BoneStrengthFEALib.cohort.measure_rows import MeasureRow, measured
from BoneStrengthFEALib.cohort.precision import Precision, read_precision
from BoneStrengthFEALib.cohort.report import write_report

CASE_COLUMNS = {
    "case": "case id of the manifest",
    "subject": "subject of the manifest",
    "time": "time of the manifest",
    "sex": "F or M, of the manifest",
    "age": "age of the manifest [years]",
}
MEASURE_COLUMNS = {
    "site": "bone: vertebra, femur, radius, tibia",
    "level": "vertebral level, empty elsewhere",
    "side": "left or right, empty at the spine",
    "measure": "what was measured; failure_load_<criterion>, stiffness, or a density measure",
    "value": "value in the row's unit",
    "unit": "unit: N, N/mm, mg/cm3, g/cm2, cm3, mm, mg, 1",
    "standard_uncertainty": "standard uncertainty in the row's unit; empty when unknown",
    "class": "class by published cut-offs; empty when none apply",
    "source": "citation of method or cut-off",
}
NUMBERS = ("age", "value", "standard_uncertainty")


def gather(
    cases: Sequence[Case], states: Mapping[str, CaseState], out: Path, precision_file: Path | None = None
) -> list[MeasureRow]:
    """Write tables and report of a cohort whose cases have all ended.

    Parameters
    ----------
    cases
        Cases in the order of the manifest.
    states
        Case id to final state.
    out
        Cohort folder.
    precision_file
        Result of a precision study, or None.

    Returns
    -------
    All measured values.

    Raises
    ------
    BoneStrengthError
        When the precision file cannot be used or a file cannot be written.
    """
    precision: Precision | None = read_precision(precision_file) if precision_file else None
    rows = measured(cases, states, out)
    columns = {**CASE_COLUMNS, **MEASURE_COLUMNS}
    table = [_fields(row) for row in rows]
    write_text(out / "cohort.csv", _csv(columns, table))
    _write_parquet(out / "cohort.parquet", tuple(columns), table)
    units = {"age": "years", "value": "column unit", "standard_uncertainty": "column unit"}
    described = [(n, "number" if n in NUMBERS else "text", units.get(n, ""), text) for n, text in columns.items()]
    write_text(out / "data_dictionary.csv", _csv(("column", "type", "unit", "meaning"), described))
    write_text(out / "cases.csv", _csv(STATE_COLUMNS, (_state_fields(case, states[case.id]) for case in cases)))
    change_rows = changes(rows, precision)
    if change_rows:
        write_text(out / "longitudinal.csv", changes_csv(change_rows))
    write_report(cases, states, rows, change_rows, out)
    return rows


STATE_COLUMNS = ("case", "subject", "time", "state", "code", "message", "seconds", "peak_gb", "folder")


def _fields(row: MeasureRow) -> tuple[str | float | None, ...]:
    case = row.case
    return (
        *(case.id, case.subject, case.time, case.sex, case.age_years),
        *(row.site, row.level, row.side, row.measure, row.value, row.unit, row.uncertainty),
        *(row.classification, row.source),
    )


def _state_fields(case: Case, state: CaseState) -> tuple[object, ...]:
    figures = (f"{state.seconds:.2f}", f"{state.peak_bytes / 1e9:.3f}")
    return (
        case.id,
        case.subject,
        case.time,
        state.outcome.value,
        state.code,
        state.message,
        *figures,
        f"cases/{case.id}",
    )


def _csv(header: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(tuple(header))
    writer.writerows([repr(v) if isinstance(v, float) else v for v in row] for row in rows)
    return stream.getvalue()


def _write_parquet(path: Path, names: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        # the same table is in cohort.csv
        return
    types = [pyarrow.float64() if name in NUMBERS else pyarrow.string() for name in names]
    columns = [pyarrow.array([row[n] for row in rows], type=kind) for n, kind in enumerate(types)]
    with replacing(path) as temporary:
        parquet.write_table(pyarrow.table(columns, names=list(names)), temporary)
