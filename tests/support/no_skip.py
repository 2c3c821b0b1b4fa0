"""Where nothing may be missing, a skipped test is a failed one.

On a bare machine a test that needs more than Python and git skips and says why. CI installs
all of it and sets `GITAGENT_TESTS_MUST_NOT_SKIP`, so that a test can't fall silent there.
What root cannot show is no missing tool: a reason that begins with `root` is let through.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

MUST_NOT_SKIP = "GITAGENT_TESTS_MUST_NOT_SKIP"
FOR_ROOT = "Skipped: root "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips itself, or is marked so; one expected to fail is no skip."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips itself whole."""
    report = yield
    _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get(MUST_NOT_SKIP) and FOR_ROOT not in report.longreprtext:
        report.outcome = "failed"
        report.longrepr = f"skipped where `{MUST_NOT_SKIP}` is set: {report.longreprtext}"
