"""An error in a button's work as one message and a line in the panel."""

import logging

import slicer
from slicer.i18n import tr as _

from BoneStrengthFEAPanel.runner import RunnerError


class ErrorsShown:
    """Context of a button's work; label is where the text stays.

    What nobody expects goes to the log with its traceback.
    """

    def __init__(self, label, title):
        self._label = label
        self._title = title

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if error is None or not isinstance(error, Exception):
            return False
        from BoneStrengthFEALib.errors import BoneStrengthError

        expected = isinstance(error, (BoneStrengthError, RunnerError, OSError))
        if not expected:
            logging.error("%s", self._title, exc_info=(kind, error, traceback))
        self._label.text = str(error)
        slicer.util.errorDisplay(f"{self._title}\n\n{error}", windowTitle=_("Bone Strength FEA"))
        return True
