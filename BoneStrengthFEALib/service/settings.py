"""Configuration of the service: one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.pacs_settings import read_pacs
from BoneStrengthFEALib.service.reception import Reception
from BoneStrengthFEALib.service.search import Search
from BoneStrengthFEALib.table_files import read_table, table_to
from BoneStrengthFEALib.transmission.destination import check_destination


@dataclass(frozen=True)
class ServiceSettings:
    """What the service does.

    Parameters
    ----------
    home
        Folder of states, results and outbox.
    destinations
        Where results go: "pacs:NAME", "fhir:NAME", "folder:PATH".
    run
        Arguments of the command run for every examination, for example "--label", "vertebrae_L1".
    incoming
        Folder watched: every folder in it is an examination of DICOM files; empty for none.
    labels
        Where the label map of an examination lies: a path with {name} for the folder's name or the accession
        number; relative to the examination's folder.
    worklist
        Text file of accession numbers, one a line, fetched from pacs; empty for none.
    pacs
        Connection the worklist's examinations are fetched from.
    pacs_file
        File of connections; empty for the default one.
    settle_s
        How long a folder must not change before it counts as complete [s].
    poll_s
        Time between two looks [s].
    port
        Port of the status page on this machine alone; 0 for none.
    attempts
        How often a case that failed without a verdict is tried.
    search
        Archives asked for new studies; their labels are the DICOM SEG of the study.
    reception
        Storage services for studies that are sent to us; their labels come with them, as SEG or RTSTRUCT.
    """

    home: str
    destinations: tuple[str, ...]
    run: tuple[str, ...]
    incoming: str = ""
    labels: str = "labels.nii.gz"
    worklist: str = ""
    pacs: str = ""
    pacs_file: str = ""
    settle_s: float = 10.0
    poll_s: float = 5.0
    port: int = 0
    attempts: int = 3
    search: tuple[Search, ...] = ()
    reception: tuple[Reception, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is something to watch and somewhere to send."""
        if not self.incoming and not self.worklist and not self.search and not self.reception:
            raise InputError(
                "the service watches nothing: set incoming (a folder), worklist (with pacs), [[search]] or "
                "[[reception]]"
            )
        if self.worklist and not self.pacs:
            raise InputError("a worklist needs pacs, the connection its examinations are fetched from")
        if self.worklist and "{name}" not in self.labels:
            raise InputError("with a worklist, labels needs {name} for the accession number")
        if self.settle_s < 0 or self.poll_s <= 0 or not 0 <= self.port < 65536 or self.attempts < 1:
            raise InputError("settle_s, poll_s, port or attempts are out of range")
        for text in self.destinations:
            check_destination(text, self.connections)
        for search in self.search:
            read_pacs(search.pacs, self.connections)

    @property
    def needs_labels(self) -> bool:
        """Whether a study must bring its labels; a point or a file of labels in the command takes their place."""
        return not any(part.startswith(("--labels", "--point", "--box")) for part in self.run)

    @property
    def connections(self) -> Path | None:
        """File of connections, or None for the default one."""
        return Path(self.pacs_file) if self.pacs_file else None


def read_service(path: Path) -> ServiceSettings:
    """Read the configuration.

    Parameters
    ----------
    path
        TOML or JSON file.

    Returns
    -------
    The settings; relative paths are relative to the file.

    Raises
    ------
    InputError
        When something is missing, unknown or impossible.
    """
    table = read_table(path)
    here = path.resolve().parent
    for name in ("home", "incoming", "worklist", "pacs_file"):
        if table.get(name):
            table[name] = str(here / str(table[name]))
    try:
        return table_to(ServiceSettings, table, "service")
    except TypeError as error:
        raise InputError(
            f"{path.name} is incomplete: home, destinations and run are needed, and pacs in a search"
        ) from error
