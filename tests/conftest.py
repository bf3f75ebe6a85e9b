"""What every test run says at its end: how many notebook cells are compared, and whether a browser was there."""

from course_utils import compared


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(compared.report())
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(reason for reason in reasons if "NOT TESTED" in reason):
        terminalreporter.write_line(reason.removeprefix("Skipped: "), red=True, bold=True)
