"""Real packages, as PyPI has them: a bug goes in, an agent takes it out, their tests judge."""

from __future__ import annotations

import json
import os
import shlex
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.scenes import contents
from support.story import PYTHON, Person, Repo

SDISTS = "GITAGENT_TEST_SDISTS"


@dataclass(frozen=True)
class Bug:
    """A bug in a package, and how an agent takes it out in two goes.

    `patch` puts it in, `body` is what a person saw of it. `half` and `whole` are `sed` scripts
    for `file`: `half` mends what the person saw and no more, so that the test `evidence` still
    fails; `whole` makes of that what the package had.
    """

    sdist: str
    patch: str
    title: str
    body: str
    file: str
    half: str
    whole: str
    evidence: str
    options: str = ""


ORDINAL = """\
--- a/inflection/__init__.py
+++ b/inflection/__init__.py
@@ -225,3 +225,3 @@ def ordinal(number: int) -> str:
     number = abs(int(number))
-    if number % 100 in (11, 12, 13):
+    if number in (11, 12, 13):
         return "th"
"""

UPDATE_IN = """\
--- a/toolz/dicttoolz.py
+++ b/toolz/dicttoolz.py
@@ -287,3 +287,3 @@ def update_in(d, keys, func, default=None, factory=dict):
             d = d[k]
-            dtemp = factory()
+            dtemp = {}
             dtemp.update(d)
"""

MICROSECONDS = """\
--- a/parse/__init__.py
+++ b/parse/__init__.py
@@ -190,3 +190,3 @@ def date_convert(
                 S, u = S.split(".")
-                u = int(u.ljust(6, "0")[:6])
+                u = int(u)
             S = int(S)
"""

BUGS = (
    Bug(
        sdist="inflection-0.5.1",
        patch=ORDINAL,
        title="Ordinals above a thousand end in the wrong letters",
        body="`ordinalize(1011)` says `1011st`. It should be `1011th`.",
        file="inflection/__init__.py",
        half="s/if number in (11, 12, 13)/if number % 1000 in (11, 12, 13)/",
        whole="s/if number % 1000 in/if number % 100 in/",
        evidence="test_inflection.py::test_ordinalize[111-111th]",
    ),
    Bug(
        sdist="toolz-1.2.0",
        patch=UPDATE_IN,
        title="update_in forgets the factory below the first level",
        body="With a mapping of ours as `factory`, the inner mappings come back as plain dicts.",
        file="toolz/dicttoolz.py",
        half="s/dtemp = {}$/dtemp = type(d)()/",
        whole="s/dtemp = type(d)()/dtemp = factory()/",
        evidence="toolz/tests/test_dicttoolz.py::TestDefaultDict::test_update_in",
    ),
    Bug(
        sdist="parse-1.22.4",
        patch=MICROSECONDS,
        title="Fractions of a second come out too small",
        body='`parse("{:ti}", "2023-10-14T15:09:08.1Z")` gives 1 microsecond, not 100000.',
        file="parse/__init__.py",
        half='s/u = int(u)$/u = int(u.ljust(6, "0"))/',
        whole='s/u = int(u.ljust(6, "0"))/u = int(u.ljust(6, "0")[:6])/',
        evidence="tests/test_bugs.py::test_microsecond_precision_issue162",
        options="-o addopts=",  # the package's own options need pytest-cov
    ),
)

AGENT = """\
#!/bin/sh
set -eu
if grep -qF {evidence} "$GITAGENT_PROMPT_FILE"; then
  sed -i {whole} {file}
else
  sed -i {half} {file}
fi
"""


def sdist(name: str) -> Path:
    """Return the archive, or skip the test."""
    folder = os.environ.get(SDISTS)
    if not folder:
        pytest.skip(f"`{SDISTS}` names no folder of sdists; `.ci/prefetch FOLDER` fills one")
    archive = Path(folder, f"{name}.tar.gz")
    if not archive.is_file():
        pytest.skip(f"`{SDISTS}` names a folder without {archive.name}")
    return archive


def suite(bug: Bug) -> str:
    """Return the command that runs the package's tests on what is in the working directory.

    `-m` puts that folder before what is installed, `-B` leaves it as it is.
    """
    options = f"-q -p no:cacheprovider --disable-plugin-autoload {bug.options}".rstrip()
    return f"{shlex.quote(PYTHON)} -B -m pytest {options}"


def suite_in_checkout(repo: Repo, bug: Bug) -> int:
    """Run the package's tests in the person's checkout and return the exit code."""
    argv = shlex.split(suite(bug))
    return repo.person.run(*argv, cwd=repo.path, PYTHONWARNINGS="default").code


def unpacked(bug: Bug, folder: Path, person: Person) -> Repo:
    """Return a repository with the package as its first commit, judged by its own tests."""
    with tarfile.open(sdist(bug.sdist)) as archive:
        archive.extractall(folder, filter="data")
    repo = Repo.create(folder / bug.sdist, person)
    return repo.ready(f"verify:\n- {{name: suite, run: {json.dumps(suite(bug))}}}\n")


def agent(bug: Bug, folder: Path) -> str:
    """Write the agent's script and return the command that starts it."""
    values = {"evidence": bug.evidence, "half": bug.half, "whole": bug.whole, "file": bug.file}
    script = folder / "mend"
    script.write_text(AGENT.format(**{name: shlex.quote(text) for name, text in values.items()}))
    script.chmod(0o755)
    return shlex.quote(str(script))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.sdist)
def test_a_bug_in_a_real_package_is_taken_out_once_the_agent_sees_which_test_fails(
    bug: Bug, tmp_path: Path, person: Person
) -> None:
    repo = unpacked(bug, tmp_path, person)
    package = repo.git("rev-parse", "HEAD^{tree}")
    assert suite_in_checkout(repo, bug) == 0
    (tmp_path / "bug.patch").write_text(bug.patch)
    repo.git("apply", "--index", str(tmp_path / "bug.patch"))
    base = repo.commit("put a bug in")
    assert suite_in_checkout(repo, bug) == 1
    checkout = dict(contents(repo.path))

    task = repo.gitagent("add", bug.title, "--body", bug.body)
    run = repo.json("next", "--command", agent(bug, tmp_path))

    assert run["outcome"] == "succeeded"
    judged = [attempt["checks"][-1] for attempt in run["attempts"]]
    assert [(check["name"], check["exit_code"]) for check in judged] == [("suite", 1), ("suite", 0)]
    attempts = repo.path / ".git/gitagent/runs" / run["run"]
    prompts = [(attempts / f"attempt-{number}/prompt.md").read_text() for number in (1, 2)]
    assert [f"FAILED {bug.evidence}" in prompt for prompt in prompts] == [False, True]
    assert all(bug.body in prompt for prompt in prompts)
    assert repo.git("rev-parse", f"gitagent/{task}^{{tree}}") == package
    assert repo.git("rev-parse", f"gitagent/{task}^") == base
    assert repo.record(task)["verified"] is True
    assert dict(contents(repo.path)) == checkout
    assert repo.git("status", "--porcelain") == ""
    assert repo.git("rev-parse", "main") == base

    repo.gitagent("accept", task)

    assert repo.status(task) == "done"
    assert repo.git("rev-parse", "main^{tree}") == package
    assert repo.git("status", "--porcelain") == ""
    assert suite_in_checkout(repo, bug) == 0
