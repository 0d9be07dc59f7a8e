"""One bone from a click: the command ``segment`` beside the application, its result as a mask on the CT."""

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEAPanel.job import Job
from BoneStrengthFEAPanel.runner import ProcessRunner

ANY = "any"
"""Kind of a bone that is found by threshold alone."""
UNSURE_PERCENT = 50
LABELS, CONFIDENCE = "bone.seg.nrrd", "confidence.nrrd"


@dataclass(frozen=True, eq=False)
class Found:
    """A bone: (K, J, I) uint8 mask on the CT's voxels, its name, lines to read with it, share in doubt from 0 to 1."""

    mask: np.ndarray
    name: str
    notes: tuple
    unsure: float


class Isolation:
    """One isolation at a time; runner is what starts the command line."""

    def __init__(self, runner=None):
        self._runner = runner or ProcessRunner()
        self._job = None
        self._listeners = None

    @property
    def isRunning(self):
        """Whether a bone is being isolated."""
        return self._runner.isRunning

    def start(self, ct, ras, kind, listeners):
        """Isolate the bone at a RAS position; what was started before is given up.

        ct: Volume [HU] of the library; kind: (site, {}) or (ANY, {"threshold": HU, "split": mm, "close": mm});
        listeners: (onProgress(fraction), onFound(Found), onError(text)). Raises BoneStrengthError, RunnerError or
        OSError.
        """
        self.cancel()
        self._listeners = listeners
        self._job = Job(self._runner)
        onProgress, _onFound, onError = listeners
        handlers = (lambda _stage, fraction: onProgress(fraction), lambda _line: None, self._onDone, onError)
        self._job.start(lambda folder, out: _command(ct, ras, kind, folder, out), handlers)

    def cancel(self):
        """Give up; no listener is called, nothing stays."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _onDone(self, folder):
        from BoneStrengthFEALib.errors import BoneStrengthError

        _onProgress, onFound, onError = self._listeners
        try:
            found = _found(folder)
        except (BoneStrengthError, OSError) as error:
            onError(str(error))
            return
        onFound(found)


def _found(folder):
    from BoneStrengthFEALib.image_files import read_volume
    from BoneStrengthFEALib.segmentation import read_labels
    from BoneStrengthFEALib.segmentation.label_record import read_record
    from BoneStrengthFEALib.volume import Quantity

    labels = read_labels(folder / LABELS)
    name, mask = labels.names[1], np.asarray(labels.volume.array, dtype=np.uint8)
    unsure = 0.0
    if (folder / CONFIDENCE).is_file():
        confidence = read_volume(folder / CONFIDENCE, Quantity.LABEL).array
        unsure = float((confidence[mask > 0] < UNSURE_PERCENT).mean())
    return Found(mask, name, tuple(read_record(folder / LABELS).notes.get(name, ())), unsure)


def _command(ct, ras, kind, folder, results):
    from BoneStrengthFEALib.image_files import write_volume

    write_volume(ct, folder / "ct.nrrd", compress=False)
    results.mkdir()
    point = ",".join(repr(float(value)) for value in ras)
    arguments = ["segment", str(folder / "ct.nrrd"), f"--point={point}", "--out", str(results / LABELS)]
    site, options = kind
    if site == ANY:
        return [*arguments, *(f"--{name}={value!r}" for name, value in options.items())]
    return [*arguments, "--site", site, "--confidence", str(results / CONFIDENCE), "--progress-lines"]
