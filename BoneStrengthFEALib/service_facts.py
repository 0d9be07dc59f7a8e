"""Nouns of the service record: what was done for an examination, when, and how one can tell."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError

CODES = ("0555T", "0556T", "0557T", "0554T")
NETWORK_WAYS = ("WADO-RS", "C-GET", "C-MOVE", "C-STORE")
"""Ways a scan can come over a network; everything else is a file somebody else put there."""
NOTE = (
    "A list of facts. Whether a service may be coded or paid is for people to decide; this is research software, and "
    "billing codes describe cleared services."
)


@dataclass(frozen=True)
class Retrieval:
    """How the images came to the machine that analysed them.

    Parameters
    ----------
    way
        "WADO-RS", "C-GET", "C-MOVE" or "C-STORE" for a transfer over a network, "Slicer database" or "folder".
    source
        Name of the connection, or AE title of the sender; empty for files.
    started_utc, ended_utc
        ISO 8601.
    series, images
        What arrived.
    announced
        Images the source said it has; 0 when it does not say.
    size_bytes
        Bytes that arrived.
    study_hash, series_hashes
        SHA-256 of the UIDs.
    encrypted
        Whether the transfer was encrypted (TLS).
    """

    way: str
    source: str
    started_utc: str
    ended_utc: str
    series: int
    images: int
    announced: int
    size_bytes: int
    study_hash: str
    series_hashes: tuple[str, ...]
    encrypted: bool = False

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if min(self.series, self.images, self.size_bytes) < 1 or self.announced < 0:
            raise InputError("a retrieval has at least one series, one image and one byte")

    @property
    def by_network(self) -> bool:
        """Whether the scan was fetched from, or sent by, another system."""
        return self.way in NETWORK_WAYS

    @property
    def is_whole(self) -> bool:
        """Whether as many images arrived as were announced."""
        return self.announced in (0, self.images)


@dataclass(frozen=True)
class ServicePart:
    """One part of the service.

    Parameters
    ----------
    code
        "0555T" (scan retrieved and transmitted), "0556T" (strength, fracture risk and density assessed), "0557T"
        (interpreted and reported) or "0554T" (all of them).
    what
        The part in our words.
    done
        Whether everything that belongs to it is evidenced.
    utc
        When the last thing that belongs to it was done; empty when it is not done.
    evidence
        What was done and how one can tell, without identity.
    missing
        What is not done, or cannot be told.
    """

    code: str
    what: str
    done: bool
    utc: str = ""
    evidence: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a part that is done without a sign of it."""
        if self.code not in CODES:
            raise InputError(f"a part of the service is one of {', '.join(CODES)}, got {self.code!r}")
        if self.done and (not self.utc or not self.evidence or self.missing):
            raise InputError(f"part {self.code} cannot be done without time and evidence, or with something missing")


@dataclass(frozen=True)
class ServiceRecord:
    """What was done for an examination; coding and payment are left to people.

    Parameters
    ----------
    parts
        0555T, 0556T, 0557T and 0554T, in this order.
    delivered
        Where the results went: one line per delivery with time, way and answer. Results in a folder or an archive say
        nothing of the scan's way here and count for no part.
    harder
        Facts that made the work harder than usual, each "kind: fact"; kinds are "artefact", "manual" (placed or
        corrected by hand, or a check accepted by a person), "refused", "repeated" and "warning".
    retrieval
        How the images came; None when nothing is known of it.
    runs
        Runs that gave this result folder its content, this one included.
    """

    parts: tuple[ServicePart, ...] = ()
    delivered: tuple[str, ...] = ()
    harder: tuple[str, ...] = ()
    retrieval: Retrieval | None = None
    runs: int = 1


def service_rows(record: ServiceRecord) -> tuple[tuple[str, str, str, str, str], ...]:
    """The record as rows of plain texts, for a table of a report.

    Parameters
    ----------
    record
        Record.

    Returns
    -------
    (part, what, state, time, evidence) of each part, then of deliveries and of what made the work harder; state is
    "done", "not done" or empty.
    """
    rows = [
        (
            part.code,
            part.what,
            "done" if part.done else "not done",
            part.utc,
            "; ".join((*part.evidence, *(f"missing: {one}" for one in part.missing))),
        )
        for part in record.parts
    ]
    rows += [("results", "delivery of the results", "", "", line) for line in record.delivered]
    kinds = dict.fromkeys(line.partition(": ")[0] for line in record.harder)
    for kind in kinds:
        facts = "; ".join(line.partition(": ")[2] for line in record.harder if line.partition(": ")[0] == kind)
        rows.append(("effort", kind, "", "", facts))
    return tuple(rows)
