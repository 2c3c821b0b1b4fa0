"""`demo`: what it shows has happened, it says so when not, and it leaves nothing anywhere."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.story import PYTHON, ROOT, Said

PACKAGE = ROOT / "src" / "gitagent" / "cli" / "demo_package"
TESTS = "python3 -m unittest -q tests.test_"
CHECKS = (f"{TESTS}pages", f"{TESTS}durations", "python3 tools/lint.py pocket")


class Machine:
    """A bare machine: an empty home, an empty temporary folder, and only git in the PATH."""

    def __init__(self, folder: Path) -> None:
        self.home, self.tmp, self.programs = folder / "home", folder / "tmp", folder / "bin"
        for each in (self.home, self.tmp, self.programs):
            each.mkdir()
        self.git = shutil.which("git") or "git"
        (self.programs / "git").symlink_to(self.git)
        self.environment = {
            "HOME": str(self.home),
            "PATH": str(self.programs),
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONWARNINGS": "error",
            "TMPDIR": str(self.tmp),
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `gitagent demo` in a session of its own, as a terminal has one."""
        return subprocess.Popen(
            [PYTHON, "-m", "gitagent", "demo", *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def demo(self, *arguments: str) -> Said:
        """Run `gitagent demo` to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=100)
        return Said(process.returncode, out.decode(), err.decode())

    def left(self) -> list[str]:
        """Return what lies in the home and the temporary folder."""
        return [str(each) for folder in (self.home, self.tmp) for each in folder.rglob("*")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def good(said: Said) -> bool:
    """Say whether the demo says of itself that all went well."""
    lines = said.out.splitlines()
    proofs = [line for line in lines if line.startswith(("ok ", "NOT "))]
    return said.code == 0 and len(proofs) == 9 and all(each.startswith("ok ") for each in proofs)


def test_three_tasks_are_done_with_nothing_but_python_and_git(machine: Machine) -> None:
    began = time.monotonic()
    said = machine.demo()
    took = time.monotonic() - began
    print(f"\ndemo: {took:.1f} s, {said.out.count(chr(10))} lines")

    assert good(said), said
    assert said.err == ""
    assert took < 20
    assert machine.left() == []
    for check in CHECKS:
        before, after = re.findall(rf"^\$ {check}  # exit status (\d+)", said.out, re.MULTILINE)
        assert (before, after) == ("1", "0")
    assert "└─ [ ]" in said.out  # the graph
    assert said.out.index("AssertionError: ValueError not raised") < said.out.index("attempt 2")
    assert said.out.rstrip().endswith('gitagent next --command "the program that does it"')


def test_the_repository_that_is_kept_is_as_the_demo_says(machine: Machine) -> None:
    said = machine.demo("--keep")
    (repository,) = machine.tmp.glob("*/pocket")

    def git(*arguments: str) -> str:
        done = subprocess.run(
            [machine.git, "-C", str(repository), *arguments],
            env=machine.environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    assert good(said), said
    assert f"cd {repository}" in said.out
    assert git("rev-list", "--count", "main") == "4"
    shown = git("log", "--format=%(trailers:key=Gitagent-Task,valueonly)", "main~3..main")
    assert len(set(shown.split())) == 3
    assert git("status", "--porcelain") == ""
    assert git("diff", "--name-only", "main~3", "main", "--", "tests", "tools") == ""
    assert [each for each in machine.left() if str(repository.parent) not in each] == []
    whole = subprocess.run([PYTHON, "-m", "unittest"], cwd=repository, check=False)
    assert whole.returncode == 0


HOSTILE = """\
[user]
\tsigningKey = nobody
[commit]
\tgpgSign = true
[gpg]
\tprogram = /nonexistent/gpg
[core]
\thooksPath = {hooks}
\tautocrlf = true
\tfsmonitor = {hooks}/pre-commit
\teditor = false
[init]
\tdefaultBranch = trunk
\ttemplateDir = {hooks}
"""


def test_the_persons_own_git_configuration_is_neither_used_nor_touched(
    machine: Machine, tmp_path: Path
) -> None:
    hooks, ran = tmp_path / "hooks", tmp_path / "ran"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\n: > '{ran}'\nexit 1\n")
        (hooks / name).chmod(0o755)
    config = machine.home / ".gitconfig"
    config.write_text(HOSTILE.format(hooks=hooks))
    before = config.read_bytes()
    elsewhere = tmp_path / "elsewhere"
    machine.environment |= {"GIT_DIR": str(elsewhere), "GIT_INDEX_FILE": str(elsewhere)}
    machine.environment |= {"XDG_CONFIG_HOME": str(elsewhere), "XDG_CACHE_HOME": str(elsewhere)}

    said = machine.demo()

    assert good(said), said
    assert config.read_bytes() == before
    assert machine.left() == [str(config)]
    assert not ran.exists()
    assert not elsewhere.exists()


def test_without_git_it_says_what_is_missing(machine: Machine) -> None:
    (machine.programs / "git").unlink()

    said = machine.demo()

    assert said.code == 1
    assert said.err.startswith("error: cannot run `git`")
    assert "hint: install `git`" in said.err
    assert said.out == ""
    assert machine.left() == []


def test_what_is_installed_may_be_read_only_and_compiled(machine: Machine, tmp_path: Path) -> None:
    package = shutil.copytree(PACKAGE, tmp_path / "package")
    (package / "pocket" / "pages.cpython-311.pyc").write_bytes(b"compiled")
    everything = [package, *package.rglob("*")]
    for each in everything:
        each.chmod(0o555 if each.is_dir() else 0o444)

    said = machine.demo("--keep", "--package", str(package))

    assert good(said), said
    (repository,) = machine.tmp.glob("*/pocket")
    copied = [repository, *(repository / each.relative_to(package) for each in everything[1:])]
    # Not tried by writing: to the superuser, everything is writable.
    modes = {each.name: each.stat().st_mode & 0o200 for each in copied if each.suffix != ".pyc"}
    assert modes == dict.fromkeys(modes, 0o200)
    assert not (repository / "pocket" / "pages.cpython-311.pyc").exists()


BREAKS = {
    "an agent that gives up": (
        ("tools/agent.py", 'if "last page" in title:', 'if "last page" in title and sys.exit(1):'),
        "the three tasks are done",
    ),
    "an agent that needs no second attempt": (
        ("tools/agent.py", "ONE_UNIT, ANY_UNITS)", "ONE_UNIT, ONLY_UNITS + ANY_UNITS)"),
        "one attempt failed its check and the next one passed",
    ),
    "a package without one of the bugs": (
        ("pocket/pages.py", "len(items) // size", "(len(items) + size - 1) // size"),
        "each check failed before",
    ),
    "an agent that leaves the check red": (
        ("tools/agent.py", '"--fix", "pocket"', '"--fix", "tests"'),
        "each check passes now",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_step_that_does_not_happen_is_named_and_is_exit_status_1(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    (path, old, new), missing = BREAKS[name]
    package = tmp_path / "package"
    shutil.copytree(PACKAGE, package)
    text = (package / path).read_text()
    assert text.count(old) == 1
    (package / path).write_text(text.replace(old, new))

    said = machine.demo("--package", str(package))

    assert said.code == 1, said
    assert f"NOT {missing}\n" in said.out
    assert said.err.startswith("error: the demo did not do all it should")
    assert missing in said.err
    assert "In a repository of your own" not in said.out
    assert machine.left() == []


@pytest.mark.parametrize("whom", ["the terminal's processes", "the demo alone"])
def test_interrupted_it_leaves_nothing(machine: Machine, whom: str) -> None:
    process = machine.start()
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"attempt 1"):
            break

    if whom == "the demo alone":
        process.send_signal(signal.SIGTERM)
    else:
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, (out, err)
    assert err.decode().endswith("interrupted\n")
    assert machine.left() == []
