"""`demo`: three tasks done in a repository that is thrown away, with its own word on the result.

What is typed here is what a person would type: the same commands, as processes of their own.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitagent.cli.session import Session
from gitagent.cli.throwaway import Throwaway, throwaway
from gitagent.core.checks import CheckResult
from gitagent.core.errors import GitagentError
from gitagent.views.terminal import Style, paint

PACKAGE = Path(__file__).parent / "demo_package"
_TEST = "python3 -m unittest -q tests.test_"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task of the demo: its title and the command that proves it."""

    title: str
    check: str


PAGES = Wanted("Show the last page too", f"{_TEST}pages")
DURATIONS = Wanted("Understand 1h30m", f"{_TEST}durations")
LINT = Wanted("Remove unused imports", "python3 tools/lint.py pocket")
ALL = (PAGES, DURATIONS, LINT)


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that must have happened, in words, and whether it did."""

    what: str
    holds: bool


def configure_demo(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    parser.add_argument("--keep", action="store_true",
                        help="leave the repository, to look around in it")  # fmt: skip
    # Only for the tests: a package in which something does not work.
    parser.add_argument("--package", type=Path, default=PACKAGE, help=argparse.SUPPRESS)


def demo_command(session: Session, arguments: argparse.Namespace) -> int:
    """Show three tasks being done; exit 1 when any step of it did not happen."""
    package = session.cwd / arguments.package
    with (
        session.interruptible() as interrupt,
        throwaway(session, package, interrupt.asked, keep=arguments.keep) as made,
    ):
        proofs = _Show(session, made).play()
    session.data(f"\n{_around(made, kept=arguments.keep)}")
    missing = [proof.what for proof in proofs if not proof.holds]
    if missing:
        message = f"the demo did not do all it should; it is not so that {'; '.join(missing)}"
        raise GitagentError(message, hint="please report it, with what was printed")
    session.data(_NEXT)
    return 0


class _Show:
    """The demo on the screen, act by act."""

    def __init__(self, session: Session, made: Throwaway) -> None:
        self._session = session
        self._made = made

    def play(self) -> list[Proof]:
        """Show everything and return what came of it."""
        first = self._made.git("rev-parse", "main")
        self._title("Two bugs and a lint failure")
        self._say(f"A small package, in a repository of its own: {self._made.repository}")
        before = [self._check(each) for each in ALL]
        self._title("Three tasks; the last one needs the others")
        ids = self._tasks()
        self._title("Done one by one, in worktrees; what fails goes back with its output")
        self._watch("next", "--all")
        self._title("The same checks on `main` as it is now")
        after = [self._check(each) for each in ALL]
        self._git("log", "--oneline", "main")
        self._title("What the demo finds in the repository")
        proofs = list(_proofs(self._made, first, ids, before, after))
        for proof in proofs:
            self._say(self._painted(proof))
        return proofs

    def _tasks(self) -> list[str]:
        self._git("show", "main:gitagent.yaml")
        self._gitagent("init")
        bugs = [self._add(each) for each in (PAGES, DURATIONS)]
        lint = self._add(LINT, *(word for bug in bugs for word in ("--needs", bug)))
        self._gitagent("graph")
        return [*bugs, lint]

    def _add(self, wanted: Wanted, *more: str) -> str:
        return self._gitagent("add", wanted.title, "--verify", wanted.check, *more)

    def _check(self, wanted: Wanted) -> CheckResult:
        result = self._made.check(wanted.check)
        last = result.output.text().strip().rpartition("\n")[2]
        said = f"  # exit status {result.exit_code}{': ' if last else ''}{last}"
        style = Style.GREEN if result.ok else Style.RED
        self._typed(wanted.check, paint(said, style, colour=self._session.colour))
        return result

    def _git(self, *arguments: str) -> None:
        self._typed(shlex.join(["git", *arguments]))
        self._say(self._made.git(*arguments))

    def _gitagent(self, *arguments: str) -> str:
        self._typed(shlex.join(["gitagent", *arguments]))
        printed = self._made.gitagent(*arguments)
        if printed:
            self._say(printed)
        return printed

    def _watch(self, *arguments: str) -> None:
        self._typed(shlex.join(["gitagent", *arguments]))
        self._made.watch(*arguments)

    def _title(self, text: str) -> None:
        self._say(paint(f"\n== {text}", Style.BOLD, colour=self._session.colour))

    def _typed(self, line: str, said: str = "") -> None:
        self._say(paint(f"$ {line}", Style.CYAN, colour=self._session.colour) + said)

    def _painted(self, proof: Proof) -> str:
        word, style = ("ok ", Style.GREEN) if proof.holds else ("NOT", Style.RED)
        return f"{paint(word, style, colour=self._session.colour)} {proof.what}"

    def _say(self, text: str) -> None:
        self._session.data(text)
        self._session.flush()


def _proofs(
    made: Throwaway,
    first: str,
    ids: Sequence[str],
    before: Sequence[CheckResult],
    after: Sequence[CheckResult],
) -> Iterator[Proof]:
    """Yield what must have happened, read anew from the repository with git and gitagent."""
    yield Proof("each check failed before", all(each.exit_code == 1 for each in before))
    yield Proof("each check passes now", all(each.ok for each in after))
    done = {task["id"] for task in made.json("list", "--status", "done")}
    yield Proof("the three tasks are done", done == set(ids))
    landed = _landed(made, first)
    yield Proof("`main` has exactly one more commit for each", sorted(landed) == sorted(ids))
    yield Proof("the task that needs the others came last", landed[-1:] == [ids[-1]])
    yield Proof("one attempt failed its check and the next one passed", _mended(made, ids[1]))
    lost = made.git("fsck", "--strict", "--no-dangling", "--no-progress")
    yield Proof("`git fsck` finds nothing wrong", not lost)
    yield Proof("the checkout is on `main` and clean", _clean(made))
    yield Proof("no claim and no worktree is left", _tidy(made))


def _landed(made: Throwaway, first: str) -> list[str]:
    """Return the tasks that the commits since `first` say they are of, the oldest first."""
    trailers = "--format=%H %(trailers:key=Gitagent-Task,valueonly,separator=%x2C)"
    lines = made.git("log", "--reverse", trailers, f"{first}..main").splitlines()
    return [line.partition(" ")[2] for line in lines]


def _mended(made: Throwaway, task: str) -> bool:
    """Say whether the one run of a task failed its check first, and passed it then."""
    runs = made.json("log", task)
    events = [entry["event"] for run in runs for entry in run["events"]]
    results = [event["result"] for event in events if "result" in event]
    verdicts = [each["verdict"] for each in results if each["kind"] == "command"]
    return len(runs) == 1 and verdicts == ["failed", "passed"]


def _clean(made: Throwaway) -> bool:
    changed = made.git("status", "--porcelain")
    return not changed and made.git("branch", "--show-current") == "main"


def _tidy(made: Throwaway) -> bool:
    claims = made.git("for-each-ref", "refs/gitagent/claims")
    return not claims and len(made.git("worktree", "list").splitlines()) == 1


def _around(made: Throwaway, *, kept: bool) -> str:
    if not kept:
        return "All of it is removed again; `gitagent demo --keep` leaves it to look around in."
    place = shlex.quote(str(made.repository))
    return f"To look around: `cd {place}`, `gitagent list --all`, `gitagent log ID`, `git log`."


_NEXT = """\
In a repository of your own, type:
  gitagent init
  git add gitagent.yaml && git commit -m "Configure gitagent"
  gitagent add "What is wanted" --verify "the command that proves it"
  gitagent next --command "the program that does it"\
"""
