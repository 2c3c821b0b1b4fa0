"""Stand for gitagent: run a command by `proc.run` until somebody kills us.

Usage: proc_runner.py FOLDER ARGV...
"""

from __future__ import annotations

import sys
from pathlib import Path

from gitagent import proc

proc.run(
    sys.argv[2:],
    cwd=Path("/"),
    environment={},
    log=Path(sys.argv[1]) / "log",
    timeout=600,
    stop=lambda: False,
)
