"""The one definition of each check; CI and the pre-commit configuration call these.

    python3 -m venv .venv && .venv/bin/pip install -e '.[test,dev]'
    .venv/bin/nox              all checks and the tests
    .venv/bin/nox -s lint      one of them
    .venv/bin/nox -s broken    see that the checks can fail
    .venv/bin/nox -s lock      write requirements/*.txt anew (needs `uv`; `-- --upgrade` for
                               the newest versions)

Sessions run in the environment that nox itself is in, so nothing is installed twice.
"""

from __future__ import annotations

import sys

import nox

nox.needs_version = ">=2026"
nox.options.default_venv_backend = "none"

COMPILE = ["uv", "pip", "compile", "--quiet", "--no-config", "--generate-hashes"]
COMPILE += ["--universal", "--python-version=3.11", "--custom-compile-command=nox -s lock"]


def python(session: nox.Session, *arguments: str) -> None:
    """Run this environment's Python with `arguments`, on these sources, installed or not."""
    session.run(sys.executable, *arguments, env={"PYTHONPATH": "src"}, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Look for mistakes and for calls that have left their home."""
    python(session, "-m", "ruff", "check", ".")


@nox.session
def form(session: nox.Session) -> None:
    """Compare the layout of the code with the formatter's (`ruff format .` mends it)."""
    python(session, "-m", "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, of the tests too."""
    python(session, "-m", "mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Check the layers."""
    # What `lint-imports` calls; it has no `python -m`.
    call = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    python(session, "-c", call, "--no-cache", "--no-logo")


@nox.session
def readme(session: nox.Session) -> None:
    """Compare the README's help texts with the commands' (`-- --write` mends them)."""
    python(session, ".ci/readme.py", "help", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests."""
    python(session, "-m", "pytest", "-q", "-n", "auto", *session.posargs)


@nox.session(default=False)
def broken(session: nox.Session) -> None:
    """Break a copy of the sources on purpose, and see the checks above fail."""
    python(session, ".ci/broken.py")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the hash-pinned requirements anew; no address of a registry gets into them."""
    build, sdists = "requirements/build", "requirements/sdists"
    dev = ("pyproject.toml", "--extra=test", "--extra=dev", "--output-file=requirements/dev.txt")
    more = session.posargs
    session.run(*COMPILE, *dev, *more, external=True)
    session.run(*COMPILE, f"{build}.in", f"--output-file={build}.txt", *more, external=True)
    session.run(*COMPILE, "--no-deps", f"{sdists}.in", f"--output-file={sdists}.txt", external=True)
