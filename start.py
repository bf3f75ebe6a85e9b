#!/usr/bin/env python3
"""Makes the environment of the course and starts JupyterLab in it.

  python3 start.py                  JupyterLab, on the start page of the course
  python3 start.py test [...]       the tests; what follows goes to pytest
  python3 start.py COMMAND [...]    any other command of the course; `help` lists them

Rules kept here:
- Everything installed lives in .venv/ beside this file; nothing else on the machine changes, nothing needs activating.
- The stamp in .venv/ is written last and says what is in there: no stamp, or another one, means install (again).
- A failure is one sentence and exit code 2; the details are in .venv/install.log.
- The file must stay readable for any Python, however old, so that it can say which one it needs: no annotations,
  no f-strings, nothing newer than Python 2.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig

OLDEST_PYTHON = (3, 11)
ROOT = os.path.dirname(os.path.abspath(__file__))
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class Stop(Exception):
    """A sentence for the person at the keyboard: what was expected, what came, what to do."""


def main(argv, version=sys.version_info):
    """The exit code, after one sentence instead of a traceback for whatever a learner can put right."""
    try:
        require_python(version)
        options = parse(argv)
        if options.command == "test" and not os.path.exists(os.path.join(ROOT, "requirements-test.txt")):
            raise Stop("This edition of the course comes without tests.")
        python = prepare(ROOT, options.command == "test", options.offline)
        module = "pytest" if options.command == "test" else "course_utils"
        command = [] if options.command == "test" else [options.command]
        return become([python, "-m", module] + command + options.rest)
    except Stop as stop:
        sys.stderr.write("{}\n".format(stop))
        return 2
    except KeyboardInterrupt:
        return 130


def require_python(version):
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise Stop(
            "The course needs Python {} or newer, this is Python {}: install a newer one and start with it, or, "
            "where there is uv, run `uv run --no-project --python 3.13 start.py`.".format(
                dotted(OLDEST_PYTHON), dotted(version[:3])
            )
        )


def dotted(version):
    return ".".join(str(part) for part in version)


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="start.py",
        usage="python3 start.py [--offline DIR] [COMMAND ...]",
        description=__doc__.split("Rules kept")[0],
        epilog="The first start downloads about 60 MB and takes about a minute; every later one takes seconds.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--offline", metavar="DIR", help="install from the wheels in this folder, without a network")
    parser.add_argument("command", nargs="?", default="lab", metavar="COMMAND", help="default: lab")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="what the command takes")
    return parser.parse_args(argv)


def prepare(root, for_tests, offline):
    """The environment's Python, after installing what is missing: usually nothing."""
    venv = os.path.join(root, ".venv")
    wanted = fingerprint(root, for_tests)
    if not serves(venv, wanted):
        try:
            install(root, venv, wanted, offline)
        except OSError as error:
            raise Stop(
                "Cannot write the environment to {} ({}): free some space, close a running JupyterLab of this course, "
                "or move the course to a folder of your own, and start again.".format(venv, error.strerror or error)
            )
    return python_of(venv)


def fingerprint(root, for_tests):
    """What an environment must hold: the Python it is for and the digest of each requirements file."""
    files = ["requirements.txt"] + (["requirements-test.txt"] if for_tests else [])
    return dict({"python": dotted(sys.version_info[:2])}, **{name: digest(root, name) for name in files})


def digest(root, name):
    with open(os.path.join(root, name), "rb") as lines:
        return hashlib.sha256(lines.read()).hexdigest()


def serves(venv, wanted):
    """Whether the environment works and holds at least what is wanted."""
    stamp = read_stamp(venv)
    return os.path.exists(python_of(venv)) and all(stamp.get(name) == value for name, value in wanted.items())


def read_stamp(venv):
    try:
        with open(os.path.join(venv, "stamp.json")) as stamp:
            return json.load(stamp)
    except (OSError, ValueError):  # none yet, or cut off while it was written
        return {}


def python_of(venv):
    return os.path.join(path_in(venv, "scripts"), "python.exe" if os.name == "nt" else "python")


def path_in(venv, name):
    return sysconfig.get_path(name, "venv", vars={"base": venv, "platbase": venv})


def install(root, venv, wanted, offline):
    """Make the environment from nothing, or add the tests' packages to a good one; the stamp comes last."""
    source = ["--no-index", "--find-links", folder(offline)] if offline else []
    uv = shutil.which("uv")
    pip_inside = os.path.isdir(os.path.join(path_in(venv, "purelib"), "pip"))  # not where uv made the environment
    if serves(venv, fingerprint(root, False)) and (uv or pip_inside):
        os.remove(os.path.join(venv, "stamp.json"))
    else:
        make(root, venv, uv)
    say("Installing packages: seconds with uv, about a minute with pip, once ...")
    # --no-compile: byte-compiling everything takes pip twice as long as the rest; Python does it for what it imports.
    pip = [uv, "pip"] if uv else [python_of(venv), "-m", "pip"]
    command = pip + ["install", "--require-hashes"] + (["--python", python_of(venv)] if uv else ["--no-compile"])
    for name in sorted(set(wanted) - {"python"}):
        command += ["--requirement", os.path.join(root, name)]
    step(venv, command + source, offline)
    with open(os.path.join(venv, "stamp.json"), "w") as stamp:
        json.dump(wanted, stamp)


def folder(offline):
    if not os.path.isdir(offline):
        raise Stop(
            "--offline needs a folder of wheels, there is none at {}: fill one where there is a network with "
            "`python3 -m pip download --require-hashes -r requirements.txt -d DIR`.".format(os.path.abspath(offline))
        )
    return os.path.abspath(offline)


def make(root, venv, uv):
    """An empty environment that finds the course: whatever a broken or older one left is thrown away."""
    from importlib.util import find_spec  # Python 2 has none: above, it would hide the sentence about the version

    if not uv and not find_spec("ensurepip"):
        raise Stop(
            "This Python has no ensurepip to make an environment with: on Debian or Ubuntu install the package "
            "python3-venv (`sudo apt install python3-venv`), or install uv, and start again."
        )
    if os.path.lexists(venv):
        shutil.rmtree(venv)
    os.makedirs(venv)
    say("Making the environment of the course in .venv ...")
    here = [uv, "venv", "--allow-existing", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    step(venv, here + [venv])
    packages = path_in(venv, "purelib")
    # A relative path: it holds when the folder is moved, and in every encoding.
    with open(os.path.join(packages, "streaming_course.pth"), "w") as link:
        link.write(os.path.relpath(root, packages) + "\n")


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def step(venv, command, offline=None):
    """Run one installer; its wall of text goes to the log, of which a failure makes one sentence."""
    path = os.path.join(venv, "install.log")
    with open(path, "ab") as log:
        log.write("$ {}\n".format(" ".join(command)).encode("utf-8", "backslashreplace"))
        log.flush()
        code = subprocess.call(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=surroundings(os.environ))
    if code:
        with open(path, "rb") as log:
            raise Stop(sentence(log.read().decode("utf-8", "replace"), os.environ, offline) + " Details: " + path)


def sentence(log, environ, offline):
    """What went wrong in an installation, from what pip or uv wrote about it."""
    if "No space left" in log:
        return "The disk is full: free about 500 MB and start again."
    if "DO NOT MATCH THE HASHES" in log or "Hash mismatch" in log:
        return "A package is not the one the course was tested with: delete what was downloaded, start again."
    if offline:
        found = re.search(r"(?:distribution found for|no version of|Because(?! there)) (\w\S+)", log)
        name = found.group(1) if found else "a package"
        return "The folder {} lacks a wheel for {} and this Python: add it and start again.".format(offline, name)
    proxies = [name for name in PROXIES if environ.get(name)]
    if proxies:
        return "The packages did not come through the proxy: check {}, or use --offline DIR.".format(proxies[0])
    return "The packages could not be fetched: check the network connection, or use --offline DIR, and start again."


def surroundings(environ):
    """What children see: none of the person's own Python, and never a proxy between this machine and itself."""
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    direct = [host for host in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",") if host]
    direct += [host for host in LOOPBACK if host not in direct]
    # PIP_USER: a `user = true` in somebody's pip settings would install beside the environment.
    direct = ",".join(direct)
    return dict(kept, NO_PROXY=direct, no_proxy=direct, PYTHONNOUSERSITE="1", PYTHONUTF8="1", PIP_USER="0")


def become(command):
    """Turn into the command: no parent stays that could outlive it or swallow its signals."""
    env = surroundings(os.environ)
    scripts = os.path.dirname(command[0])
    env["PATH"] = scripts + os.pathsep + env.get("PATH", "")  # `python` in JupyterLab's terminals is the course's
    os.chdir(ROOT)
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(command[0], command, env)
    child = subprocess.Popen(command, env=env)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # Windows tells the child as well: wait for its orderly end
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
