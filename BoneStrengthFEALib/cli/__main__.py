"""Run the command line as ``python -m BoneStrengthFEALib.cli``."""

import sys

from BoneStrengthFEALib.cli.main import main

sys.exit(main())
