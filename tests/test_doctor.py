from importlib.metadata import PackageNotFoundError

from course_utils import environment
from course_utils.environment import Finding


def test_a_healthy_machine_gets_a_tick_a_line_and_no_versions(capsys):
    environment.doctor()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(environment.LOOKS)
    assert all(line.startswith("✔") for line in lines)
    assert environment.healthy()


def test_an_old_python_is_named_with_the_fix():
    note = environment.python_version((3, 9)).note
    assert "this is 3.9" in note
    assert "python3 start.py" in note


def test_a_kernel_without_the_packages_is_told_which_kernel_to_choose():
    def nothing(name):
        raise PackageNotFoundError(name)

    note = environment.packages(nothing).note
    assert "openai missing" in note
    assert "choose the kernel `Python 3 (ipykernel)`" in note


def test_another_version_is_named_beside_the_expected_one():
    finding = environment.packages(lambda name: "0.1")
    assert "openai 0.1 (expected 3." in finding.note
    assert not finding.fatal


def test_no_loopback_is_no_disaster(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("this machine allows no loopback connections")

    monkeypatch.setattr("course_utils.server.LoopbackServer", refuse)
    finding = environment.loopback()
    assert not finding.fatal
    assert "everything else works without" in str(finding)


def test_a_finding_reads_as_one_line():
    assert str(Finding("It is here")) == "✔ It is here"
    assert str(Finding("It is here", "it is not")) == "✘ It is here: it is not"
