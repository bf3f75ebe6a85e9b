"""What every test run says at its end: how many notebook cells are compared, and whether a browser was there."""

from course_utils import compared


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(compared.report())
