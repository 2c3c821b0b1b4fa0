"""Stands in for a coding agent, so that the demo needs no model, no key and no network.

It knows the mends beforehand. All the rest is as with any agent: it reads the task from
standard input, changes files in the worktree that it is started in, and its exit status is
its word. It hears what a check said of its work only if the next prompt tells it.
"""

import subprocess
import sys
from pathlib import Path

WHOLE_PAGES = "    count = len(items) // size\n"
ALL_PAGES = "    count = (len(items) + size - 1) // size\n"

ONE_UNIT = """\
    number, unit = int(text[:-1]), text[-1]
    return number * SECONDS[unit]
"""
ANY_UNITS = """\
    parts = re.findall(r"(\\d+)([smh])", text)
    return sum(int(number) * SECONDS[unit] for number, unit in parts)
"""
ONLY_UNITS = """\
    if not re.fullmatch(r"(\\d+[smh])+", text):
        raise ValueError(f"no span of time: {text!r}")
"""


def change(path, old, new):
    """Put `new` in the place of `old`, which must be there."""
    text = Path(path).read_text()
    if old not in text:
        sys.exit(f"{path} is not what I know")
    Path(path).write_text(text.replace(old, new))


def work(prompt):
    """Do what the prompt asks for and return the exit status."""
    title = prompt.partition("\n")[0]
    if "last page" in title:
        change("pocket/pages.py", WHOLE_PAGES, ALL_PAGES)
    elif "1h30m" in title and "ValueError not raised" in prompt:
        # The evidence of the failed check: the first attempt, below, takes any text.
        change("pocket/durations.py", ANY_UNITS, ONLY_UNITS + ANY_UNITS)
    elif "1h30m" in title:
        change("pocket/durations.py", ONE_UNIT, ANY_UNITS)
    elif "unused imports" in title:
        return subprocess.run([sys.executable, "tools/lint.py", "--fix", "pocket"]).returncode
    else:
        sys.exit(f"I do not know how to do this: {title}")
    return 0


sys.exit(work(sys.stdin.read()))
