"""Read-only status page, on this machine alone."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Sequence
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.report.sentences import check_name, headline
from BoneStrengthFEALib.report.words import moment, words_of
from BoneStrengthFEALib.results import DISCLAIMER
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.service.case import DONE, FAILED, MEASURED, QUEUED, REFUSED, RUNNING, ServiceCase
from BoneStrengthFEALib.service.loop import Service

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STATES = (RUNNING, QUEUED, MEASURED, DONE, REFUSED, FAILED)
STYLE = (
    "body{font:14px/1.4 system-ui,'DejaVu Sans',sans-serif;margin:2em;color:#1c2733;max-width:1100px}"
    "h1{font-size:22px;color:#1f6f8b;margin:0}h2{font-size:17px;margin:1.4em 0 .3em}"
    "table{border-collapse:collapse;width:100%}td,th{padding:4px 12px 4px 0;border-bottom:1px solid #d5dbe1;"
    "text-align:left;vertical-align:top}.note{color:#a23c27}.soft{color:#5c6b7a}progress{width:14em}"
    ".failed td,.refused td{color:#9a3b1e}.running td{font-weight:600}.cases td:nth-child(4){white-space:nowrap}"
    ".done td:nth-child(2){color:#3d7d4c}"
)
PROGRESS = re.compile(r"(\d\.\d{3}) (.+)")
"""Fraction and stage, as the run prints them."""
SHOWN = 50
"""Examinations listed, the latest first."""


def page(service: Service) -> str:
    """The page.

    Parameters
    ----------
    service
        Service.

    Returns
    -------
    HTML without identity: cases are named by their keys.
    """
    cases = sorted(service.cases().values(), key=lambda case: case.utc, reverse=True)
    rows = [(c.key, c.state, str(c.attempts), moment(c.utc), _outcome(service, c)) for c in cases[:SHOWN]]
    entries = [(e.id, e.destination.partition(":")[0], str(e.attempts), e.last_error) for e in service.outbox.entries()]
    counts = Counter(case.state for case in cases)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]) or "none yet"
    sent = len(service.outbox.entries("sent"))
    parcels = _table(("Parcel", "To", "Tries", "Last error"), entries) if entries else "<p>Nothing waits.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        '<link rel="icon" href="data:,">'
        f"<title>BoneStrengthFEA service</title><style>{STYLE}</style></head><body><h1>BoneStrengthFEA service</h1>"
        f'<p class="note">{escape(DISCLAIMER)}</p>{_running(service, cases)}'
        f'<h2>Examinations</h2><p class="soft">{escape(told)}</p>'
        f"{_table(('Case', 'State', 'Attempts', 'Since', 'Result or reason'), rows, 'cases')}"
        f'<h2>Outbox</h2><p class="soft">{len(entries)} waiting, {sent} sent</p>{parcels}</body></html>'
    )


def _running(service: Service, cases: Sequence[ServiceCase]) -> str:
    case = next((case for case in cases if case.state == RUNNING), None)
    if case is None:
        return "<p>Nothing is running.</p>"
    told = PROGRESS.search(service.progress)
    words, bar = service.progress or "starting", ""
    if told:
        percent = round(100 * float(told.group(1)))
        words = f"{told.group(2)}, {percent} %"
        bar = f' <progress max="100" value="{percent}"></progress>'
    return f"<p>Running: case {escape(case.key)}, {escape(words)}{bar}</p>"


def _outcome(service: Service, case: ServiceCase) -> str:
    """The result in one line, or the name of the check that failed."""
    if case.message:
        return _public(case.message)
    if case.state != DONE:
        return ""
    try:
        return headline(read_results(service.results / case.key))
    except BoneStrengthError:
        # results may have been moved away
        return ""


def serve(service: Service, port: int) -> ThreadingHTTPServer:
    """Serve the page in a thread.

    Parameters
    ----------
    service
        Service.
    port
        Port on 127.0.0.1; 0 takes a free one.

    Returns
    -------
    The running server.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # a page elsewhere that has our address under its name must not read this
            host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
            if host not in ("127.0.0.1", "localhost"):
                self.send_error(421)
                return
            content = page(service).encode("utf-8")
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content if self.path == "/" else b"")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Keep the console quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _public(message: str) -> str:
    """The name of the check that failed; an error's own words may name a folder."""
    if not message.startswith("error ["):
        return message[:80]
    return check_name(message.partition("]")[0].removeprefix("error ["), words_of())


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], name: str = "") -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(
        f"<tr class='{escape(row[1])}'>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table class='{name}'><tr>{head}</tr>{body}</table>"
