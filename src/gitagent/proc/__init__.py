"""Processes: the only place where one starts, and the only place where one is killed."""

from gitagent.proc.capture import Captured, capture
from gitagent.proc.identity import is_dead_here, this_process
from gitagent.proc.interactive import interactive
from gitagent.proc.output import LOG_LIMIT
from gitagent.proc.programs import find_program, shell
from gitagent.proc.run import Completed, run

__all__ = [
    "LOG_LIMIT",
    "Captured",
    "Completed",
    "capture",
    "find_program",
    "interactive",
    "is_dead_here",
    "run",
    "shell",
    "this_process",
]
