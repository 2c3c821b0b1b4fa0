"""A command check: exits 0 in a clean checkout of the candidate, or it has failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pathspec

from gitagent import proc
from gitagent.core.checks import (
    CheckKind,
    CheckResult,
    CheckSpec,
    Excerpt,
    Finding,
    Severity,
    Verdict,
)
from gitagent.core.protocols import Stop


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a check runs and how far it may go; `seconds` is what the run has left."""

    folder: Path
    environment: Mapping[str, str]
    log: Path
    seconds: float
    stop: Stop


def run_command(spec: CheckSpec, bounds: Bounds) -> CheckResult | None:
    """Run a check and return its result; None when it was stopped from outside."""
    done = proc.run(
        proc.shell(spec.run),
        cwd=bounds.folder,
        environment=bounds.environment,
        log=bounds.log,
        timeout=min(spec.timeout, bounds.seconds),
        stop=bounds.stop,
    )
    if done.stopped:
        return None
    passed = done.exit_code == 0 and not done.timed_out
    return CheckResult(
        kind=CheckKind.COMMAND,
        name=spec.name,
        verdict=Verdict.PASSED if passed else Verdict.FAILED,
        command=spec.run,
        exit_code=done.exit_code,
        timed_out=done.timed_out,
        seconds=done.seconds,
        output=Excerpt() if passed else done.output,
        log=str(bounds.log),
    )


def skipped(spec: CheckSpec) -> CheckResult:
    """Return the result of a check none of whose `paths` the candidate changed."""
    finding = Finding(f"not run: nothing that matches {', '.join(spec.paths)} changed",
                      Severity.NOTICE)  # fmt: skip
    return CheckResult(
        kind=CheckKind.COMMAND,
        name=spec.name,
        verdict=Verdict.PASSED,
        command=spec.run,
        findings=(finding,),
    )


def concerns(spec: CheckSpec, changed: Sequence[str]) -> bool:
    """Say whether a check has to run for these changed paths."""
    if not spec.paths:
        return True
    globs = pathspec.GitIgnoreSpec.from_lines(spec.paths)
    return any(globs.match_file(path) for path in changed)
