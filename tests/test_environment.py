"""One list of dependencies: pyproject.toml. The lock files, environment.yml and start.py are held against it."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import start

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ("requirements.txt", "requirements-test.txt")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def declared(lines):
    return {canonicalize_name(wanted.name): wanted for wanted in map(Requirement, lines)}


def entries(name):
    """(requirement, hashes) of each pin; the same package can have two, for different Pythons."""
    joined = re.sub(r"\\\n\s*", "", read(name))
    lines = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    return [(Requirement(line.split(" --hash")[0].rstrip()), line.count("--hash=sha256:")) for line in lines]


def versions(name):
    pinned = {}
    for wanted, _ in entries(name):
        pinned.setdefault(canonicalize_name(wanted.name), []).append(next(iter(wanted.specifier)).version)
    return pinned


def outside(wanted, pinned):
    """What is not pinned, or pinned to a version that pyproject.toml does not allow."""
    return [
        str(requirement)
        for name, requirement in wanted.items()
        if not pinned.get(name) or not all(requirement.specifier.contains(version) for version in pinned[name])
    ]


def test_requirements_pin_everything_a_learner_needs_within_the_bounds():
    assert outside(declared(PROJECT["dependencies"]), versions("requirements.txt")) == []


def test_both_requirements_files_together_pin_everything_the_tests_need():
    pinned = versions("requirements.txt") | versions("requirements-test.txt")
    assert outside(declared(PROJECT["optional-dependencies"]["test"]), pinned) == []


def test_no_package_is_pinned_in_both_files():
    assert set(versions("requirements.txt")) & set(versions("requirements-test.txt")) == set()


@pytest.mark.parametrize("name", LOCKS)
def test_each_pin_is_exact_and_hashed(name):
    loose = [
        str(wanted) for wanted, hashes in entries(name) if not hashes or not str(wanted.specifier).startswith("==")
    ]
    assert loose == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_file_names_a_host_or_a_folder(name):
    text = read(name)
    assert "://" not in text
    assert (
        re.findall(r"^\s*-[^-].*|--(?:index-url|extra-index-url|find-links|trusted-host).*", text, re.MULTILINE) == []
    )
    assert str(ROOT) not in text and "/opt/" not in text and "/tmp/" not in text


def test_each_lock_file_says_how_it_is_made():
    for name in LOCKS:
        assert "uv pip compile --universal --generate-hashes --python-version 3.11" in read(name), name


def test_environment_yml_asks_for_what_pyproject_asks_for():
    pip = next(
        item["pip"] for item in yaml.safe_load(read("environment.yml"))["dependencies"] if isinstance(item, dict)
    )
    assert pip[0] == "-e ."
    assert {str(wanted) for wanted in map(Requirement, pip[1:])} == {
        str(wanted) for wanted in map(Requirement, PROJECT["dependencies"])
    }


def test_all_places_agree_on_the_oldest_python():
    oldest = PROJECT["requires-python"]
    conda = yaml.safe_load(read("environment.yml"))["dependencies"][0]
    assert oldest == f">={start.dotted(start.OLDEST_PYTHON)}"
    assert conda == f"python{oldest}"


def test_websockets_is_the_range_the_sdk_asks_for():
    from importlib.metadata import requires

    sdk = next(Requirement(line) for line in requires("openai") or [] if line.startswith("websockets"))
    assert declared(PROJECT["dependencies"])["websockets"].specifier == sdk.specifier
