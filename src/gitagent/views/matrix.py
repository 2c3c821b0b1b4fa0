"""Ready tasks as a GitHub Actions matrix: one job for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from gitagent.core.task import Task

MOST_JOBS = 256
"""Jobs of one matrix and run; GitHub's documentation of `jobs.<job_id>.strategy.matrix`."""


class MatrixEntry(TypedDict):
    """One job's values; JSON's null is the empty string in a workflow's expressions."""

    id: str
    title: str
    priority: int
    labels: list[str]
    agent: str | None
    model: str | None


class MatrixJson(TypedDict):
    """The value of `strategy.matrix`; Actions refuses one whose `include` is empty."""

    include: list[MatrixEntry]


class Matrix(NamedTuple):
    """The value, and how many tasks did not fit."""

    value: MatrixJson
    left_out: int


def matrix(tasks: Sequence[Task]) -> Matrix:
    """Return the matrix of the first 256 of `tasks`, which are in the order to be done in."""
    include = [
        MatrixEntry(
            id=task.id,
            title=task.title,
            priority=task.priority,
            labels=list(task.labels),
            agent=task.agent,
            model=task.model,
        )
        for task in tasks[:MOST_JOBS]
    ]
    return Matrix(MatrixJson(include=include), max(0, len(tasks) - MOST_JOBS))
