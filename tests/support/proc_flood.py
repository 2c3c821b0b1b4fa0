"""Run a shell command by `proc.run` and print, as JSON, what it cost this process.

Usage: proc_flood.py FOLDER COMMAND
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from gitagent import proc


def peak() -> int:
    """Return the highest resident size of this process so far, in bytes.

    Not `ru_maxrss`, which a new program inherits from whoever started it.
    """
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


folder, command = Path(sys.argv[1]), sys.argv[2]
before = peak()
done = proc.run(
    proc.shell(command),
    cwd=folder,
    environment={"PATH": "/usr/bin:/bin"},
    log=folder / "log",
    timeout=60,
    stop=lambda: False,
)
print(
    json.dumps(
        {
            "exit_code": done.exit_code,
            "seconds": done.seconds,
            "growth": peak() - before,
            "head": done.output.head,
            "tail": done.output.tail,
            "omitted": done.output.omitted,
        }
    )
)
