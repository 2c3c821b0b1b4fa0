"""What the README says, checked and used.

    readme.py command NAME     print the one line of the README's command NAME
    readme.py help [--write]   compare the README's help texts with the commands' own

A command stands under its marker, and a help text between two; what is between is generated:

    <!-- command:test -->          <!-- help:gitagent next -->
    ```sh                          ```text
    pytest -q                      usage: gitagent next ...
    ```                            ```
                                   <!-- /help -->
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

README = Path("README.md")
HELP = re.compile(
    r"<!-- help:gitagent(?P<words>[ \w-]*) -->\n(?P<text>.*?)<!-- /help -->", re.DOTALL
)


def command(name: str) -> int:
    """Print the command, or say that there is not exactly one of one line."""
    block = re.compile(rf"<!-- command:{re.escape(name)} -->\n```sh\n([^\n]+)\n```\n")
    found = block.findall(README.read_text(encoding="utf-8"))
    if len(found) != 1:
        print(f"README.md: {len(found)} commands `{name}` of one line; expected 1", file=sys.stderr)
        return 1
    print(found[0])
    return 0


def help_texts(*, write: bool) -> int:
    """Compare, or write, every help text; a README without one is wrong too."""
    before = README.read_text(encoding="utf-8")
    after, count = HELP.subn(_block, before)
    if write:
        README.write_text(after, encoding="utf-8")
    elif before != after:
        lines = (before.splitlines(), after.splitlines())
        print(*difflib.unified_diff(*lines, "README.md", "generated", lineterm=""), sep="\n")
        print("hint: `nox -s readme -- --write` writes the help texts anew")
        return 1
    print(f"README.md: {count} help texts are the commands' own")
    return 0 if count else 1


def _block(marked: re.Match[str]) -> str:
    words = marked["words"].split()
    text = subprocess.run(
        [sys.executable, "-m", "gitagent", *words, "--help"],
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONPATH": "src"},
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    title = " ".join(["gitagent", *words])
    return f"<!-- help:{title} -->\n```text\n{text.rstrip()}\n```\n<!-- /help -->"


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit code."""
    match arguments:
        case ["command", name]:
            return command(name)
        case ["help"]:
            return help_texts(write=False)
        case ["help", "--write"]:
            return help_texts(write=True)
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
