"""What every test run says at its end: how many notebook cells are compared, and whether a browser was there."""

import os

import pytest

from course_utils import compared


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(compared.report())
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(reason for reason in reasons if "NOT TESTED" in reason):
        terminalreporter.write_line(reason.removeprefix("Skipped: "), red=True, bold=True)


def _opened(level):
    from course_utils.grade import sandbox

    if why := sandbox.works(level):
        # On a machine that checks everything, namespaces that do not work are a failure, not a reason to look away.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"NOT TESTED: {level}: {why}")
    return sandbox.open_sandbox(level)


@pytest.fixture(scope="session")
def sandbox():
    """Warm processes at the best level this machine has; started once, as one process a submission is forked from it."""
    from course_utils.grade import sandbox

    made = _opened(sandbox.best_level())
    yield made
    made.close()


@pytest.fixture(scope="session")
def namespaces():
    from course_utils.grade import sandbox

    made = _opened(sandbox.NAMESPACES)
    yield made
    made.close()


@pytest.fixture(scope="session")
def limits_only():
    from course_utils.grade import sandbox

    made = _opened(sandbox.LIMITS_ONLY)
    yield made
    made.close()
