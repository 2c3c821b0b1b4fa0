"""Every call of the `git` command, with a configuration that runs nothing of a repository's.

SECURITY D11 and V1 to V7: hooks, fsmonitor, external protocols and repositories found by
accident are all ways in which data becomes a program. The git dir is always explicit, the
working directory is `/` unless a checkout is the point, and no `GIT_*` variable is inherited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitagent import proc
from gitagent.core.errors import ExternalError, Refused

OLDEST = (2, 39)
"""The oldest `git` that was tried (LIBRARIES.md); `merge-tree --write-tree` needs 2.38."""

_SAFE = {
    "core.hooksPath": "/dev/null",  # a hook is the person's to run, never ours (V1)
    "core.fsmonitor": "false",  # would be started by any status (V5)
    "core.untrackedCache": "false",  # rewrites the person's index
    "protocol.ext.allow": "never",  # a URL must not be a command
    "safe.bareRepository": "explicit",  # no repository is found by walking up (V7)
    "gc.auto": "0",  # maintenance is `gitagent gc`'s
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "core.pager": "cat",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True, slots=True)
class Git:
    """The `git` program, for one git dir. `environment` is the caller's, cleaned here."""

    git_dir: Path
    environment: Mapping[str, str]

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        work_tree: Path | None = None,
        config: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> proc.Captured:
        """Run `git` with `arguments` and return what it said, whatever its exit code.

        `work_tree` makes it work on a checkout, from inside it. `config` and `variables`
        are added to the safe ones. Raises `ExternalError` when git is missing or hangs.
        """
        options = [f"--git-dir={self.git_dir}"]
        if work_tree is not None:
            options.append(f"--work-tree={work_tree}")
        for key, value in {**_SAFE, **(config or {})}.items():
            options += ["-c", f"{key}={value}"]
        return proc.capture(
            ["git", *options, *arguments],
            cwd=work_tree or Path("/"),
            environment={**clean(self.environment), **(variables or {})},
            stdin=stdin,
            timeout=timeout,
        )

    def output(self, *arguments: str, stdin: bytes = b"") -> str:
        """Return the stripped standard output; raise `ExternalError` on a failure."""
        captured = self.run(*arguments, stdin=stdin)
        if captured.exit_code != 0:
            raise failure(arguments, captured)
        return captured.stdout.decode(errors="surrogateescape").strip()


_PERSONS = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM"})
"""Where the person's own configuration is; git sets none of these for a hook (SECURITY D17)."""


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` for a call of git: no other `GIT_*`, no prompt, untranslated output."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name in _PERSONS
    }
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def failure(arguments: Sequence[str], captured: proc.Captured) -> ExternalError:
    """Return the error that says which `git` command failed, and how."""
    said = captured.stderr.decode(errors="replace").strip() or "it said nothing"
    return ExternalError(f"`git {arguments[0]}` failed with {captured.exit_code}: {said}")


def check_version(environment: Mapping[str, str]) -> str:
    """Return the version of `git`; raise `Refused` when it is too old to be relied on."""
    captured = proc.capture(["git", "--version"], cwd=Path("/"), environment=clean(environment))
    text = captured.stdout.decode(errors="replace").strip()
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        message = f"`{text}` is too old: gitagent needs git {OLDEST[0]}.{OLDEST[1]}"
        raise Refused(message, hint="install a newer git")
    return text
