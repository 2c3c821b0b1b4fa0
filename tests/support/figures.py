"""The figures that tests print (`F14 ...: 0.3 MiB`) are shown at the end, also when all is good."""

from __future__ import annotations

import re

import pytest

FIGURE = re.compile(r"(?:[DF]\d+\b|demo:).*")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each line of a passed test's output that is a figure."""
    reports = terminalreporter.getreports("passed")
    found = [line for each in reports for line in each.capstdout.splitlines()]
    figures = sorted({line for line in found if FIGURE.fullmatch(line)})
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write("\n".join(figures) + "\n")
