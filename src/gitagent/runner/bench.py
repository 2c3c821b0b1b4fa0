"""The bench on which candidates are judged: a clean checkout of exactly one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitagent.core.checks import CheckResult, CheckSpec, Finding, Severity
from gitagent.core.protocols import Stop
from gitagent.core.run import Candidate
from gitagent.git import worktree
from gitagent.git.changes import changes, patch
from gitagent.git.checkout import restore
from gitagent.runner.checks.command import Bounds, concerns, run_command, skipped
from gitagent.runner.checks.guard import MAX_DIFF_BYTES, Rules, guard
from gitagent.runner.environment import allowed
from gitagent.runner.order import GUARD
from gitagent.runner.project import Project


@dataclass
class Bench:
    """Judges candidates; use it as `with` so that its checkout goes away.

    `folder` is where the checkout is made, `logs` where the outputs go.
    """

    project: Project
    checks: tuple[CheckSpec, ...]
    rules: Rules
    folder: Path
    logs: Path
    stop: Stop
    _commit: str | None = field(default=None, init=False)

    def judge(
        self, name: str, candidate: Candidate, refused: Sequence[Finding], seconds: float
    ) -> CheckResult | None:
        """Return what the check `name` says; None when it was stopped from outside."""
        if name == GUARD:
            return self._guard(candidate, refused)
        spec = next(each for each in self.checks if each.name == name)
        if not concerns(spec, self._changed(candidate)):
            return skipped(spec)
        return self._command(spec, candidate, seconds)

    def close(self) -> None:
        """Remove the checkout."""
        if self._commit is not None:
            worktree.remove(self.project.repository, self.folder)
            self._commit = None

    def _guard(self, candidate: Candidate, refused: Sequence[Finding]) -> CheckResult:
        raw = self.project.repository.raw
        found = changes(raw, candidate.base_tree, candidate.tree)
        limit = MAX_DIFF_BYTES + 1
        size = len(patch(raw, candidate.base_tree, candidate.tree, limit=limit))
        return guard(found, size, self.rules, refused)

    def _changed(self, candidate: Candidate) -> list[str]:
        raw = self.project.repository.raw
        found = changes(raw, candidate.base_tree, candidate.tree)
        return [path for each in found for path in (each.path, each.old_path) if path]

    def _command(self, spec: CheckSpec, candidate: Candidate, seconds: float) -> CheckResult | None:
        self._check_out(candidate.commit)
        number = [each.name for each in self.checks].index(spec.name) + 1
        bounds = Bounds(
            folder=self.folder,
            environment=allowed(self.project.environment, spec.env),
            log=self.logs / f"check-{number}.log",
            seconds=seconds,
            stop=self.stop,
        )
        result = run_command(spec, bounds)
        if result is not None and restore(self.project.repository.raw, candidate.tree, self.folder):
            return _edited(result)
        return result

    def _check_out(self, commit: str) -> None:
        if self._commit == commit:
            return
        self.close()
        worktree.add(self.project.repository, self.folder, commit)
        self._commit = commit


def _edited(result: CheckResult) -> CheckResult:
    """Say that a check changed tracked files; they were put back before the next check."""
    finding = Finding(
        "changed files that git tracks; they were put back",
        Severity.WARNING,
        hint="let the check only look, for example `ruff format --check`",
    )
    return replace(result, findings=(*result.findings, finding))
