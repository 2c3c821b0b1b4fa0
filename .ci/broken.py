"""Break a copy of the sources on purpose, once a rule, and see that its check fails.

A check that can't fail says nothing: a contract whose module was renamed, a rule that a later
`ignore` covers. Each break is added to one file of a copy; the session must then fail and say
what is expected here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

COPIED = (".ci", "src", "tests", "README.md", "noxfile.py", "pyproject.toml")


class Break(NamedTuple):
    """What is added to the end of `file` (seen from the package), and what `session` must say."""

    session: str
    says: str
    file: str
    text: str


FORGOTTEN = """
from gitagent.core.events import Event, Warned
def told(event: Event) -> str:
    match event:
        case Warned(): return event.text
"""

BREAKS = (
    Break("imports", "gitagent.stray", "stray.py", '"""No layer is mine."""'),
    Break("imports", "core.task -> gitagent.config", "core/task.py", "import gitagent.config"),
    Break("imports", "views.words -> gitagent.store", "views/words.py", "import gitagent.store"),
    Break(
        "imports",
        "agents.command -> gitagent.runner",
        "agents/command.py",
        "import gitagent.runner",
    ),
    Break("imports", "plugins -> gitagent.store", "plugins.py", "import gitagent.store"),
    Break("imports", "runner.order -> pygit2", "runner/order.py", "import pygit2"),
    Break("imports", "store.layout -> yaml", "store/layout.py", "import yaml"),
    Break("imports", "git.refs -> subprocess", "git/refs.py", "import subprocess"),
    Break("imports", "cli.main -> anthropic", "cli/main.py", "import anthropic"),
    Break("imports", "core.task -> pydantic", "core/task.py", "import pydantic"),
    Break("lint", "in `gitagent.proc`", "git/refs.py", "import subprocess"),
    Break("lint", "take what you need as a value", "config/values.py", "import os\nos.environ"),
    Break("lint", "`core.protocols.Clock`", "store/tasks.py", "import time\ntime.time()"),
    Break("lint", "`core.protocols.Clock`", "core/units.py", "datetime.now(UTC)"),
    Break("lint", "the whole tree at once", "cli/main.py", "import os\nos.kill(1, 9)"),
    Break("form", "would be reformatted", "core/task.py", "A = ( 1,2 )"),
    Break("types", "[return-value]", "core/task.py", "def one() -> int: return '1'"),
    Break("types", "[no-untyped-def]", "../../tests/conftest.py", "def two(x): return x"),
    Break("types", "[exhaustive-match]", "core/units.py", FORGOTTEN),
    Break(
        "readme", "generated", "../../README.md", "<!-- help:gitagent add -->\nold\n<!-- /help -->"
    ),
)


def outcome(session: str, broken: Break | None = None) -> tuple[int, str]:
    """Return the exit code and the output of `session` on a copy, whole or broken."""
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            copy = shutil.copytree if Path(name).is_dir() else shutil.copy
            copy(name, Path(folder, name))
        if broken:
            with Path(folder, "src/gitagent", broken.file).open("a", encoding="utf-8") as file:
                file.write(f"\n{broken.text}\n")
        done = subprocess.run(
            [sys.executable, "-m", "nox", "-s", session],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return done.returncode, done.stdout


def seen(broken: Break) -> bool:
    """Say whether the check failed on this break and named it."""
    code, output = outcome(broken.session, broken)
    good = code != 0 and broken.says in output
    print("seen    " if good else "NOT SEEN", f"{broken.session:8}{broken.says}  ({broken.file})")
    if not good:
        print(output)
    return good


def main() -> int:
    """Return 0 when every check is good as things are, and saw each break."""
    sessions = dict.fromkeys(each.session for each in BREAKS)
    red = [session for session in sessions if outcome(session)[0] != 0]
    if red:
        print(f"before anything is broken, these fail already: {', '.join(red)}")
    results = [seen(each) for each in BREAKS]
    print(f"{sum(results)} of {len(results)} breaks were seen by their checks")
    return 0 if all(results) and not red else 1


if __name__ == "__main__":
    raise SystemExit(main())
