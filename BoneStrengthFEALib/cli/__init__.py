"""The command line ``bone-strength-fea``: one file per command, each with add_parser and run."""

from BoneStrengthFEALib.cli.main import main

__all__ = ["main"]
