"""start.py as a learner meets it: in a folder of its own, with a stand-in for uv, without network."""

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import start
from course_utils import lab

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in for uv is a shell script")

# Makes a folder that looks like an environment, notes each call, fails when told to.
UV = """#!/bin/sh
echo "$1 $2" >> "$CALLS"
if [ "$1" = venv ]; then
    for venv; do :; done
    mkdir -p "$venv/bin" "$venv/lib/pythonVERSION/site-packages"
    printf '#!/bin/sh\\nexec PYTHON "$@"\\n' > "$venv/bin/python"
    chmod +x "$venv/bin/python"
elif [ -n "$UV_SAYS" ]; then
    echo "$UV_SAYS"
    exit 1
fi
"""

COURSE = "import json, os, sys; print(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ)}))\n"


class Folder:
    """A copy of the course as start.py needs it, and what happened in it."""

    def __init__(self, path):
        self.path = path
        self.calls_file = path.parent / "calls"
        tools = path.parent / "tools"
        for folder in (path / "course_utils", tools):
            folder.mkdir(parents=True)
        shutil.copy(ROOT / "start.py", path)
        for name in ("requirements.txt", "requirements-test.txt", "course_utils/__init__.py"):
            (path / name).touch()
        (path / "course_utils" / "__main__.py").write_text(COURSE)
        version = start.dotted(sys.version_info[:2])
        (tools / "uv").write_text(UV.replace("VERSION", version).replace("PYTHON", sys.executable))
        (tools / "uv").chmod(0o755)
        self.environ = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "CALLS": str(self.calls_file),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    def start(self, *argv, **environ):
        command = [sys.executable, str(self.path / "start.py"), *argv]
        return subprocess.run(command, env=self.environ | environ, cwd=self.path, capture_output=True, text=True)

    def seen(self, *argv, **environ):
        """What the command got: the last line the stand-in course prints."""
        return json.loads(self.start(*argv, **environ).stdout.splitlines()[-1])

    def calls(self):
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "course with a space")


def assert_one_sentence(result, *words):
    assert result.returncode == 2
    assert "Traceback" not in result.stderr and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_an_old_python_is_told_which_one_came_and_which_is_needed(capsys):
    assert start.main([], version=(3, 9, 7, "final", 0)) == 2
    message = capsys.readouterr().err
    assert "3.11 or newer" in message and "Python 3.9.7" in message


def test_start_py_uses_no_syntax_that_an_old_python_cannot_read():
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef, ast.Starred, ast.Nonlocal)
    source = (ROOT / "start.py").read_text(encoding="utf-8")
    assert source.isascii()
    for node in ast.walk(ast.parse(source, feature_version=(3, 4))):
        assert not isinstance(node, newer), f"line {node.lineno}"
        assert not (isinstance(node, ast.Raise) and node.cause), f"line {node.lineno}"
        if isinstance(node, ast.arguments):
            assert not node.kwonlyargs and not any(argument.annotation for argument in node.args)


def test_the_first_start_makes_an_environment_and_runs_the_command_in_it(folder):
    assert folder.seen("serve", "--port", "1")["argv"] == ["serve", "--port", "1"]
    assert folder.calls() == ["venv --allow-existing", "pip install"]


def test_without_a_command_jupyterlab_starts(folder):
    assert folder.seen()["argv"] == ["lab"]


def test_the_second_start_installs_nothing(folder):
    folder.start("list")
    assert folder.start("list").stdout.count("\n") == 1
    assert len(folder.calls()) == 2


def test_changed_requirements_are_installed_anew(folder):
    folder.start("list")
    (folder.path / "requirements.txt").write_text("# newer\n")
    folder.start("list")
    assert folder.calls() == ["venv --allow-existing", "pip install"] * 2


def test_the_tests_packages_are_added_to_a_good_environment(folder):
    folder.start("list")
    folder.start("test", "--version")
    assert folder.calls() == ["venv --allow-existing", "pip install", "pip install"]


def test_what_follows_test_goes_to_pytest_and_its_exit_code_comes_back(folder):
    (folder.path / "test_two.py").write_text("def test_a(): pass\ndef test_b(): assert False\n")
    assert folder.start("test", "-p", "no:cacheprovider", "-k", "test_a").returncode == 0
    assert folder.start("test", "-p", "no:cacheprovider").returncode == 1


def test_an_edition_without_tests_says_so(folder):
    (folder.path / "requirements-test.txt").unlink()
    done = folder.start("test")
    assert done.returncode == 2
    assert done.stderr == "This edition of the course comes without tests.\n"


def test_an_interrupted_installation_is_made_anew_on_the_next_start(folder):
    folder.start("list", UV_SAYS="interrupted")
    half = folder.path / ".venv" / "half a package"
    half.touch()
    assert folder.seen("list")["argv"] == ["list"]
    assert not half.exists()


def test_a_cut_stamp_counts_as_none(folder):
    folder.start("list")
    (folder.path / ".venv" / "stamp.json").write_text('{"python": "3')
    assert folder.seen("list")["argv"] == ["list"]
    assert len(folder.calls()) == 4


def test_an_environment_whose_python_is_gone_is_made_anew(folder):
    folder.start("list")
    (folder.path / ".venv" / "bin" / "python").unlink()
    assert folder.seen("list")["argv"] == ["list"]


def test_the_course_stays_importable_after_the_folder_has_moved(folder):
    folder.start("list")
    (moved := folder.path.parent / "elsewhere").mkdir()
    site_packages = (
        folder.path.rename(moved / "renamed") / ".venv" / "lib" / f"python{start.dotted(sys.version_info[:2])}"
    )
    link = site_packages / "site-packages" / "streaming_course.pth"
    assert (link.parent / link.read_text().strip()).resolve() == moved / "renamed"


def test_children_reach_this_machine_directly_while_a_proxy_is_set(folder):
    seen = folder.seen("list", HTTPS_PROXY="http://proxy.example:3128", NO_PROXY="intranet.example")["env"]
    assert seen["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert seen["NO_PROXY"] == seen["no_proxy"] == "intranet.example,127.0.0.1,localhost,::1"


def test_nothing_of_the_persons_own_python_reaches_the_course(folder):
    seen = folder.seen("list", PYTHONPATH="/somewhere", PYTHONSTARTUP="x.py")["env"]
    assert seen["PYTHONNOUSERSITE"] == "1"
    assert "PYTHONPATH" not in seen and "PYTHONSTARTUP" not in seen


def test_a_missing_network_is_one_sentence(folder):
    assert_one_sentence(folder.start(UV_SAYS="dns error"), "network", "--offline DIR", "install.log")


def test_a_failure_behind_a_proxy_names_the_variable(folder):
    result = folder.start(UV_SAYS="tunnel error", HTTPS_PROXY="http://proxy.example:3128")
    assert_one_sentence(result, "HTTPS_PROXY")


def test_an_offline_folder_that_is_not_there_is_named(folder):
    assert_one_sentence(folder.start("--offline", "no wheels"), "no wheels", "pip download")


@pytest.mark.parametrize(
    "words",
    [
        "ERROR: No matching distribution found for numpy==2.4.6",
        "Because numpy was not found in the provided package locations",
        "Because there is no version of numpy==2.4.6 and you require numpy==2.4.6",
    ],
)
def test_a_wheel_that_is_not_in_the_folder_is_named(folder, words):
    assert_one_sentence(folder.start("--offline", str(folder.path), UV_SAYS=words), "lacks a wheel for numpy")


def test_a_place_that_cannot_be_written_is_one_sentence(folder):
    (folder.path / ".venv").write_text("a file where the folder should be")
    assert_one_sentence(folder.start(), "Cannot write", ".venv")


def test_a_python_without_ensurepip_is_told_the_debian_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(start.Stop, match="python3-venv"):
        start.make(str(tmp_path), str(tmp_path / ".venv"), uv=None)


def test_offline_wheels_are_really_installed_by_pip(folder, tmp_path):
    """The only test with the real pip: one wheel of our own, made here, 3 seconds."""
    digest = make_wheel(tmp_path)
    (folder.path / "requirements.txt").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    (folder.path / "course_utils" / "__main__.py").write_text("import tiny; print(tiny.word)\n")
    result = folder.start("--offline", str(tmp_path), "list", PATH="/usr/bin:/bin")
    assert result.stdout.splitlines()[-1] == "installed"


def make_wheel(place):
    import hashlib
    import zipfile

    wheel = place / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "word = 'installed'\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/RECORD,,\n")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_a_taken_port_is_one_sentence(capsys):
    with socket.create_server((lab.LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        assert lab.main(["--port", str(port)]) == 2
    assert f"Port {port} is taken" in capsys.readouterr().err


def test_a_port_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        lab.main(["--port", "80000"])
    assert "from 1 to 65535, not '80000'" in capsys.readouterr().err


def test_the_settings_answer_the_pop_up_of_newcomers(tmp_path):
    lab.write_settings(tmp_path)
    stored = json.loads((tmp_path / "share/jupyter/lab/settings/overrides.json").read_text())
    assert stored["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}
