"""What every test run says at its end: how many notebook cells are compared, and whether a browser was there."""

import os

import pytest

from course_utils import compared


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(compared.report())
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(reason for reason in reasons if "NOT TESTED" in reason):
        terminalreporter.write_line(reason.removeprefix("Skipped: "), red=True, bold=True)


@pytest.fixture(scope="session")
def sandbox_at():
    """Warm processes at a level of isolation, started once: one process a submission is forked from them."""
    from course_utils.grade import sandbox

    made = {}

    def at(level):
        if why := sandbox.works(level):
            # Where everything is checked, namespaces that do not work are a failure and no reason to look away.
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"NOT TESTED: {level}: {why}")
        if level not in made:
            made[level] = sandbox.open_sandbox(level)
        return made[level]

    yield at
    for one in made.values():
        one.close()


@pytest.fixture(scope="session")
def namespaces(sandbox_at):
    return sandbox_at("namespaces")


@pytest.fixture(scope="session")
def limits_only(sandbox_at):
    return sandbox_at("limits only")


@pytest.fixture(scope="session")
def sandbox(sandbox_at):
    """The best this machine has."""
    from course_utils.grade import sandbox

    return sandbox_at(sandbox.best_level())
