"""The configuration: every key of DESIGN section 7, and a clear word for every slip."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.config import (
    Autonomy,
    Baseline,
    Config,
    Sandbox,
    SandboxMode,
    SetupStep,
    Worktree,
    default_yaml,
    parse,
)
from gitagent.core.checks import CheckSpec
from gitagent.core.errors import BadInput
from gitagent.core.protocols import AgentSettings
from gitagent.core.task import Budget, Integrate, PlanMode

EVERYTHING = """\
version: 1
base: main                      # default: what origin/HEAD names, else the current branch
agent: claude
agents:
  claude: {model: null, tools: [read, edit], env: [CI], base_url: "http://localhost:1",
           effort: high, auth: subscription}
  command: {command: "sed -i s/a/b/ x"}
  codex:
fallback: [codex]
reviewer: {agent: anthropic}
plan: approve
autonomy: follow-ups
setup: [{run: "uv sync", network: host, env: [A], inputs: [pyproject.toml, uv.lock]}, make]
verify:
  - pytest -q
  - {name: lint, run: ruff check ., timeout: 5m, paths: ["**/*.py"], network: none}
baseline: strict
integrate: patch
budget: {attempts: 1, turns: 10, tokens: 500k, usd: 5, time: 30m, day_usd: 7.5}
protect: ["secret/**"]
sandbox: {mode: required, read: [/opt]}
worktree: {include: [".env.example"], slots: 2}
notify: [mail]
"""


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse(text.encode())
    assert caught.value.file == "gitagent.yaml"
    return caught.value


def test_every_key_is_read() -> None:
    assert parse(EVERYTHING.encode()) == Config(
        exists=True,
        base="main",
        agent="claude",
        agents={
            "claude": AgentSettings(
                "claude",
                tools=("read", "edit"),
                env=("CI",),
                base_url="http://localhost:1",
                effort="high",
                auth="subscription",
            ),
            "command": AgentSettings("command", command="sed -i s/a/b/ x"),
            "codex": AgentSettings("codex"),
        },
        fallback=("codex",),
        reviewer="anthropic",
        plan=PlanMode.APPROVE,
        autonomy=Autonomy.FOLLOW_UPS,
        setup=(
            SetupStep("uv sync", "host", ("A",), ("pyproject.toml", "uv.lock")),
            SetupStep("make"),
        ),
        verify=(
            CheckSpec("pytest -q", "pytest -q"),
            CheckSpec("ruff check .", "lint", 300.0, ("**/*.py",)),
        ),
        baseline=Baseline.STRICT,
        integrate=Integrate.PATCH,
        budget=Budget(attempts=1, turns=10, tokens=500_000, usd=5.0, seconds=1800.0),
        day_usd=7.5,
        protect=("secret/**",),
        sandbox=Sandbox(SandboxMode.REQUIRED, ("/opt",)),
        worktree=Worktree((".env.example",), 2),
        notify=("mail",),
    )  # fmt: skip


def test_without_a_file_the_defaults_of_the_design_hold() -> None:
    config = parse(None)

    assert not config.exists
    assert (config.agent, config.reviewer, config.setup, config.verify) == (None, None, (), ())
    assert (config.baseline, config.integrate) == (Baseline.NEW_FAILURES, Integrate.BRANCH)
    assert config.budget == Budget(3, 100, 2_000_000, None, 2700.0)
    assert config.day_usd == 50.0
    assert config.protect == (
        ".github/**", "gitagent.yaml", ".pre-commit-config.yaml", ".gitmodules", ".gitattributes",
    )  # fmt: skip
    assert config.sandbox == Sandbox(SandboxMode.AUTO, ())
    assert (config.plan, config.autonomy) == (PlanMode.AUTO, Autonomy.NONE)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "verify:\nbudget:\nagents:\n"])
def test_a_file_that_says_nothing_is_a_file_with_the_defaults(text: str) -> None:
    assert parse(text.encode()) == replace(Config(), exists=True)


def test_a_budget_that_names_one_bound_keeps_the_others() -> None:
    assert parse(b"budget: {tokens: 1M}").budget == Budget(3, 100, 1_000_000, None, 2700.0)
    assert parse(b"budget: {attempts: }").budget == Budget(3, 100, 2_000_000, None, 2700.0)


def test_a_reviewer_is_a_name_a_mapping_or_none() -> None:
    assert parse(b"reviewer: none").reviewer is None
    assert parse(b"reviewer: codex").reviewer == "codex"
    assert parse(b"reviewer: {agent: codex}").reviewer == "codex"


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    data = b"\xef\xbb\xbf" + EVERYTHING.replace("\n", "\r\n").encode()

    assert parse(data) == parse(EVERYTHING.encode())


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("version: 1\nbudgte: {}", 2, "`budgte` is not a known key", "did you mean `budget`?"),
        (
            "agents:\n  claude:\n    modle: x",
            3,
            "`agents.claude.modle` is not a known key; allowed are command, model, tools,",
            "did you mean `model`?",
        ),
        ("agents: {claude: {auth: keys}}", 1, "one of key, subscription", "did you mean `key`?"),
        ("agents: {-x: {}}", 1, "must be a name", None),
        ("agents: [claude]", 1, "`agents` must be a mapping", None),
        ("verify:\n  - a\n  - {name: a, run: b}", 3, "`verify` has the check name `a` twice", None),
        ("verify:\n  - name: lint", 2, "`verify[0]` has no `run`, the command", None),
        ("verify: [review]", 1, "cannot have the name `review`", "give it another `name`"),
        ("verify:\n  - run: a\n    timout: 5m", 3, "`verify[0].timout`", "did you mean `timeout`?"),
        ("setup:\n  - inputs: [x]", 2, "`setup[0]` has no `run`", None),
        ("setup: [{run: x, network: hots}]", 1, "one of none, host", "did you mean `host`?"),
        ("integrate: brnch", 1, "not `brnch`", "did you mean `branch`?"),
        ("baseline: new_failures", 1, "new-failures, strict", "did you mean `new-failures`?"),
        ("plan: true", 1, "one of auto, approve, never, not `true`", None),
        ("autonomy: all", 1, "one of none, follow-ups", None),
        ("budget: {time: 1 hour}", 1, "`budget.time` must be", None),
        ("budget: {attempts: 0}", 1, "an integer from 1 to", None),
        ("budget: {day_usd: x}", 1, "`budget.day_usd` must be a number of US dollars", None),
        ("sandbox: auto", 1, "`sandbox` must be a mapping", None),
        ("sandbox: {mode: of}", 1, "one of auto, required, off", "did you mean `off`?"),
        ("worktree: {slots: 0}", 1, "an integer from 1 to 1,000", None),
        ("base: --upload-pack=x", 1, "begins with no `-`", None),
        ("version: 2", 1, "`version` must be 1", "a later version needs a newer gitagent"),
        ("reviewer: {}", 1, "`reviewer` has no `agent`", None),
        ("protect: gitagent.yaml", 1, "`protect` must be a list", None),
        ("- a", 1, "the whole must be a mapping of keys to values, not a list", None),
        ("a: &x 1", 1, "anchor or alias", None),
        ("verify: []\n\n\nverify: []", 4, "the key `verify` stands here again", None),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_line_key_what_is_allowed_and_what_was_meant(
    text: str, line: int, message: str, hint: str | None
) -> None:
    error = refused(text)

    assert error.line == line
    assert message in error.message
    assert hint is None or error.hint == hint


@pytest.mark.parametrize("base", [None, "main", "release/1.x", "no"])
@pytest.mark.parametrize("agent", [None, "command", "claude"])
@pytest.mark.parametrize("command", [None, "sed -i 's/a: b/c # d/' x, y"])
@pytest.mark.parametrize("verify", [[], ["pytest -q"], ["make test, all", "ruff check ."]])
def test_what_init_writes_reads_back_as_what_it_was_given(
    base: str | None, agent: str | None, command: str | None, verify: list[str]
) -> None:
    text = default_yaml(base, verify, agent, command)

    agents = {"command": AgentSettings("command", command=command)} if command else {}
    checks = tuple(CheckSpec(each, each) for each in verify)
    given = Config(exists=True, base=base, agent=agent, agents=agents, verify=checks)
    assert parse(text.encode()) == given
    assert max(map(len, text.splitlines())) <= 100


@given(st.lists(st.text(min_size=1), max_size=3))
def test_init_writes_any_command_or_refuses_it(verify: list[str]) -> None:
    try:
        text = default_yaml("main", verify, None, None)
    except BadInput:
        return
    assert [each.run for each in parse(text.encode()).verify] == verify


def test_a_repository_without_configuration_costs_no_yaml() -> None:
    code = (
        "import sys; from gitagent.config import parse; parse(None); print('yaml' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


@given(st.binary(max_size=200) | st.lists(st.sampled_from(EVERYTHING.split("\n")), max_size=8).map(
    lambda lines: "\n".join(lines).encode()
))  # fmt: skip
def test_nothing_but_bad_input_comes_out_of_a_damaged_file(data: bytes) -> None:
    try:
        parse(data)
    except BadInput as error:
        assert error.file == "gitagent.yaml"
        assert error.line
