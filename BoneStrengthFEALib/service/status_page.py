"""Read-only status page, on this machine alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from BoneStrengthFEALib.results import DISCLAIMER
from BoneStrengthFEALib.service.loop import Service

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    "body{font:14px sans-serif;margin:2em;color:#1c2733}table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:4px 12px;border-bottom:1px solid #d5dbe1;text-align:left}.failed td{color:#9a3b1e}"
)


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
    rows = [(c.key, c.state, str(c.attempts), c.utc, _public(c.message)) for c in cases]
    entries = [(e.id, e.destination.partition(":")[0], str(e.attempts), e.last_error) for e in service.outbox.entries()]
    running = f"<p>Running: {escape(service.progress)}</p>" if service.progress else "<p>Nothing is running.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        f"<title>BoneStrengthFEA service</title><style>{STYLE}</style></head><body><h1>BoneStrengthFEA service</h1>"
        f"<p>{escape(DISCLAIMER)}</p>{running}<h2>Examinations</h2>"
        f"{_table(('Case', 'State', 'Attempts', 'Since (UTC)', 'Message'), rows)}<h2>Outbox</h2>"
        f"{_table(('Parcel', 'To', 'Tries', 'Last error'), entries)}</body></html>"
    )


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
    """The code of an error; its words may name a folder."""
    return message.partition("]")[0].removeprefix("error [") if message.startswith("error [") else message[:80]


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(
        f"<tr class='{escape(row[1])}'>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
