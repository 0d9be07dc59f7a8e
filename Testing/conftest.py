"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of the reference cases: BONESTRENGTHFEA_DATA, else shared/data beside the checkout."""
    folder = Path(os.environ.get("BONESTRENGTHFEA_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "PROVENANCE.md").is_file():
        reason = f"reference data not found at {folder}; set BONESTRENGTHFEA_DATA to a folder holding them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
