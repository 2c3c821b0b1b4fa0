"""The record of a run: what the tasks branch keeps, and what `--json` prints of a run.

The keys are DESIGN section 8's for the JSON of a run, and section 4's for what the stored
record has on top of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from gitagent.core.checks import CheckResult, Finding
    from gitagent.core.run import AttemptLog, Usage

RECORD_VERSION = 1


class FindingJson(TypedDict):
    """A finding; `line` starts at 1."""

    path: str | None
    line: int | None
    severity: str
    message: str
    hint: str | None


class CheckJson(TypedDict):
    """A check's result; `seconds` is wall time."""

    kind: str
    name: str
    command: str | None
    ok: bool
    exit_code: int | None
    timed_out: bool
    preexisting: bool
    seconds: float
    findings: list[FindingJson]


class UsageJson(TypedDict):
    """What was spent."""

    turns: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    usd: float
    priced: bool
    seconds: float


class AttemptJson(TypedDict):
    """One go of an agent."""

    agent: str
    model: str | None
    checks: list[CheckJson]
    usage: UsageJson
    error_class: str | None


class RunJson(TypedDict):
    """What `next` and `run` print of a run with `--json`."""

    run: str
    task: str
    outcome: str
    reason: str
    branch: str | None
    commit: str | None
    tree: str | None
    url: str | None
    attempts: list[AttemptJson]
    usage: UsageJson


class RecordJson(RunJson):
    """What the tasks branch keeps of a run; times are RFC 3339 in UTC."""

    v: int
    status: str | None
    waiting_for: str | None
    not_before: str | None
    integrate: str
    epoch: int
    runner: str
    base: str
    work: str | None
    base_commit: str
    base_run: str | None
    continues: str | None
    started: str
    ended: str
    sandboxed: bool
    verified: bool
    auth: str | None
    messages_read: list[str]
    events: list[dict[str, object]]


RUN_KEYS = tuple(RunJson.__annotations__)


def run_json(record: RecordJson) -> RunJson:
    """Return the part of a record that `--json` prints."""
    return RunJson(
        run=record["run"],
        task=record["task"],
        outcome=record["outcome"],
        reason=record["reason"],
        branch=record["branch"],
        commit=record["commit"],
        tree=record["tree"],
        url=record["url"],
        attempts=record["attempts"],
        usage=record["usage"],
    )


def finding_json(finding: Finding) -> FindingJson:
    """Return a finding as JSON has it."""
    return FindingJson(
        path=finding.path,
        line=finding.line,
        severity=finding.severity.value,
        message=finding.message,
        hint=finding.hint,
    )


def check_json(result: CheckResult) -> CheckJson:
    """Return a check's result as JSON has it; its output stays in the log."""
    return CheckJson(
        kind=result.kind.value,
        name=result.name,
        command=result.command,
        ok=result.ok,
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        preexisting=result.preexisting,
        seconds=round(result.seconds, 3),
        findings=[finding_json(each) for each in result.findings],
    )


def usage_json(usage: Usage) -> UsageJson:
    """Return usage as JSON has it."""
    return UsageJson(
        turns=usage.turns,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        usd=usage.usd,
        priced=usage.priced,
        seconds=round(usage.seconds, 3),
    )


def attempts_json(attempts: Iterable[AttemptLog]) -> list[AttemptJson]:
    """Return attempts as JSON has them."""
    return [
        AttemptJson(
            agent=each.agent,
            model=each.model,
            checks=[check_json(result) for result in each.checks],
            usage=usage_json(each.usage),
            error_class=each.error_class,
        )
        for each in attempts
    ]
