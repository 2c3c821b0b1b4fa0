"""The agent `command`: any program. Its exit status is its word.

It gets the prompt on standard input and in the file that `GITAGENT_PROMPT_FILE` names, and
runs in the worktree. A question with a schema is answered by writing the JSON to the file
that `GITAGENT_REPLY_FILE` names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from gitagent import proc
from gitagent.core.protocols import AgentRequest, AgentSettings, Desk, Emit, Stop
from gitagent.core.run import AgentError, AgentReply, Usage

_REPLY_LIMIT = 1 << 20
"""Bytes of an answer that are read."""


class CommandAgent:
    """Runs one shell command line; implements `core.protocols.Agent`."""

    name = "command"

    def __init__(self, settings: AgentSettings) -> None:
        self._command = settings.command

    def missing(self) -> str | None:
        """Return why there is nothing to run."""
        return None if self._command else "no command is given"

    def run(self, request: AgentRequest, desk: Desk, emit: Emit, stop: Stop) -> AgentReply:
        """Run the command in the worktree until it ends, is stopped or is out of time."""
        command = self._command or "false"
        prompt_file = request.scratch / "prompt.md"
        reply_file = request.scratch / "reply.json"
        _write_new(prompt_file, request.prompt)
        reply_file.unlink(missing_ok=True)
        done = proc.run(
            proc.shell(command),
            cwd=request.worktree,
            environment={**request.environment, **_variables(request, prompt_file, reply_file)},
            log=request.scratch / "agent.log",
            timeout=request.seconds,
            stop=stop,
            stdin=prompt_file,
        )
        usage = Usage(seconds=done.seconds, priced=False)
        error = _error(command, done, request.seconds)
        if error is not None:
            return AgentReply(usage=usage, error=error)
        return _reply(request, reply_file, usage)


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet: what an earlier process left is not followed."""
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)


def _variables(request: AgentRequest, prompt_file: Path, reply_file: Path) -> dict[str, str]:
    return {
        "GITAGENT_PROMPT_FILE": str(prompt_file),
        "GITAGENT_REPLY_FILE": str(reply_file),
        "GITAGENT_TASK": request.task,
        "GITAGENT_RUN": request.run,
        "GITAGENT_ATTEMPT": str(request.attempt),
        "GITAGENT_ROLE": request.role,
    }


def _error(command: str, done: proc.Completed, seconds: float) -> AgentError | None:
    if done.stopped:
        return AgentError("stopped", "the agent was stopped", done.output)
    if done.timed_out:
        return AgentError("timeout", f"the agent took longer than {seconds:.0f} s", done.output)
    if done.not_found:
        return AgentError("not_found", f"`{command}` cannot be started", done.output)
    if done.exit_code != 0:
        message = f"`{command}` ended with exit status {done.exit_code}"
        return AgentError("exit", message, done.output)
    return None


def _reply(request: AgentRequest, reply_file: Path, usage: Usage) -> AgentReply:
    if request.schema is None:
        return AgentReply(usage=usage)
    try:
        # The agent wrote it: a link would make us read a file of somebody else's.
        with os.fdopen(os.open(reply_file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            structured = json.loads(stream.read(_REPLY_LIMIT))
    except (OSError, ValueError) as error:
        message = f"the answer in `{reply_file.name}` cannot be read: {error}"
        return AgentReply(usage=usage, error=AgentError("bad_reply", message))
    return AgentReply(usage=usage, structured=structured)
