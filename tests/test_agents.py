"""What every agent must keep to, and what the agent `command` adds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import cast

import pytest

from gitagent import plugins
from gitagent.core.protocols import Agent, AgentRequest, AgentSettings, Desk
from gitagent.core.run import AgentReply


class ClosedDesk:
    """A desk that nobody sits at: asking it anything fails the test."""

    def __getattr__(self, name: str) -> object:
        message = f"the agent asked the desk: {name}"
        raise AssertionError(message)


def agent(command: str | None) -> Agent:
    """Return the agent `command` as a command line would: by its entry point."""
    settings = AgentSettings(name="command", command=command)
    return plugins.agents()["command"](settings)


def run(
    command: str, tmp_path: Path, *, schema: dict[str, object] | None = None, seconds: float = 30
) -> AgentReply:
    worktree, scratch = tmp_path / "work", tmp_path / "scratch"
    worktree.mkdir()
    scratch.mkdir()
    request = AgentRequest(
        task="k3x9m",
        run="01m7y77q5k1yq88yet2nnypnht",
        attempt=1,
        role="review" if schema else "implement",
        prompt="Say héllo\n",
        worktree=worktree,
        scratch=scratch,
        environment={"PATH": os.environ["PATH"]},
        seconds=seconds,
        schema=schema,
    )
    desk = cast("Desk", ClosedDesk())
    return agent(command).run(request, desk, lambda _: None, lambda: False)


def test_without_a_command_it_says_what_is_missing() -> None:
    assert agent(None).missing() == "no command is given"
    assert agent("true").missing() is None


def test_the_exit_status_is_its_word(tmp_path: Path) -> None:
    reply = run("echo broken >&2; exit 3", tmp_path)

    assert reply.error is not None
    assert reply.error.error_class == "exit"
    assert "exit status 3" in reply.error.message
    assert reply.error.output.text() == "broken\n"


def test_it_runs_in_the_worktree_with_the_prompt_and_nothing_else(tmp_path: Path) -> None:
    reply = run("cat > got; env > env; pwd > pwd", tmp_path)

    assert reply.error is None
    work = tmp_path / "work"
    assert (work / "got").read_text() == "Say héllo\n"
    assert (work / "pwd").read_text().strip() == str(work)
    names = {line.partition("=")[0] for line in (work / "env").read_text().splitlines()}
    assert {name for name in names if not name.startswith("GITAGENT_")} <= {
        "PATH", "PWD", "OLDPWD", "SHLVL", "_",
    }  # fmt: skip


def test_a_question_with_a_schema_is_answered_by_a_file(tmp_path: Path) -> None:
    command = """printf '{"verdict": "approve"}' > "$GITAGENT_REPLY_FILE" """

    reply = run(command, tmp_path, schema={"type": "object"})

    assert (reply.error, reply.structured) == (None, {"verdict": "approve"})


@pytest.mark.parametrize(
    "command",
    [
        "true",
        "echo no json > $GITAGENT_REPLY_FILE",
        "printf '\\377' > $GITAGENT_REPLY_FILE",
        "ln -s /etc/passwd $GITAGENT_REPLY_FILE",
        "mkdir $GITAGENT_REPLY_FILE",
        "echo '{}' > $GITAGENT_REPLY_FILE; head -c 2000000 /dev/zero >> $GITAGENT_REPLY_FILE",
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_and_never_followed(
    tmp_path: Path, command: str
) -> None:
    reply = run(command, tmp_path, schema={"type": "object"})

    assert reply.structured is None
    assert reply.error is not None
    assert reply.error.error_class == "bad_reply"


def test_out_of_time_it_is_ended_and_says_so(tmp_path: Path) -> None:
    began = time.monotonic()

    reply = run("sleep 60", tmp_path, seconds=0.5)

    assert reply.error is not None
    assert reply.error.error_class == "timeout"
    assert time.monotonic() - began < 20
