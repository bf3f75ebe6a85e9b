"""A Dask cluster does the work: a scheduler and two workers in processes of their own, and nobody runs a learner's code."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grading
import psutil
import pytest
from distributed import Client
from test_grade_marking import READS
from test_grade_results import hand_in, kept, reports, written

from course_utils.grade import cluster, command
from course_utils.grade.cluster import NoCluster

MODULE = "from distributed.cli.dask_{0} import main; main()"
CALM = {"DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "0", "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error"}


def dask(what, *options):
    line = [sys.executable, "-c", MODULE.format(what), *options, "--no-dashboard"]
    return subprocess.Popen(line, env=os.environ | CALM, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(process):
    """End it, if it has not, with all that it has started; what it wrote is closed in any case."""
    family = [] if process.poll() is not None else [*psutil.Process(process.pid).children(recursive=True), process]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # a worker ends when its scheduler goes
            one.kill()
    process.wait()
    process.stderr.close()


@pytest.fixture
def two_workers(tmp_path):
    """The address of a scheduler, and its workers' processes."""
    told = tmp_path / "scheduler.json"
    processes = [dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))]
    try:
        while not (told.exists() and told.read_text()):
            assert processes[0].poll() is None, processes[0].stderr.read()
        place = json.loads(told.read_text())["address"].removeprefix("tcp://")
        own = ["--no-nanny", "--nthreads", "1", "--local-directory", str(tmp_path)]
        processes += [dask("worker", f"tcp://{place}", *own) for _ in range(2)]
        yield f"dask://{place}", processes[1:]
    finally:
        for one in reversed(processes):
            ended(one)


def kills(workers, address, monkeypatch):
    """Have the first worker killed when half of the class is done; gives what each had in hand then."""
    had = []

    def tell(done, of):
        if done == of // 2 and not had:
            for one in workers:  # both stand still, or they could be done before anybody has looked
                one.send_signal(signal.SIGSTOP)
            with Client(address.replace("dask", "tcp"), set_as_default=False) as client:
                had.extend(client.processing().values())
            workers[0].kill()
            workers[0].wait()
            workers[1].send_signal(signal.SIGCONT)

    monkeypatch.setattr(command, "_progress", lambda: tell)
    return had


@pytest.mark.live
def test_a_worker_of_a_cluster_that_is_killed_loses_nothing_and_nothing_is_marked_twice(
    tmp_path, two_workers, monkeypatch
):
    address, workers = two_workers
    hand_in(tmp_path / "in", 20)
    line = [str(tmp_path / "in"), "--seed", "s"]
    assert command.main([*line, "--jobs", "2", *reports(tmp_path / "here")]) == 0
    had = kills(workers, address, monkeypatch)
    results = tmp_path / "results"
    far = ["--executor", address, "--results", str(results)]
    assert command.main([*line, *far, *reports(tmp_path / "there")]) == 0
    assert len(had) == 2 and all(had)
    assert written(tmp_path / "there") == written(tmp_path / "here")
    assert len(set(kept(results))) == len(kept(results)) == 20 * 4


LOOKS = """
    import os, sys
    assert "distributed" not in sys.modules and not any(name.startswith("DASK") for name in os.environ)
    at = 0.0"""


@pytest.mark.live
def test_a_worker_of_a_cluster_runs_no_cell_itself(tmp_path, two_workers):
    (tmp_path / "ann.ipynb").write_bytes(grading.notebook(READS.replace("\n    at = 0.0", LOOKS)))
    out = tmp_path / "out.json"
    line = [str(tmp_path / "ann.ipynb"), "--executor", two_workers[0], "--exercise", "1.2", "--json", str(out)]
    assert command.main(line) == 0
    assert [one["outcome"] for one in json.loads(out.read_text())["students"][0]["verdicts"]] == ["passed"]


def test_a_cluster_without_the_course_is_told_what_is_missing():
    def there(*args):
        raise ModuleNotFoundError("No module named 'course_utils'")

    with ThreadPoolExecutor(1) as executor, pytest.raises(NoCluster, match=r"don't have the course .*install it there"):
        cluster.first(executor, there)


def test_a_cluster_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with pytest.raises(NoCluster, match="there is no Dask scheduler"), cluster.opened("dask://127.0.0.1:1"):
        pass


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("dask://nowhere", "wants dask://HOST:PORT"),
        ("ray://a:1", "wants dask://HOST:PORT"),
        ("", "wants dask://HOST:PORT"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(address, says):
    with pytest.raises(NoCluster, match=says), cluster.opened(address):
        pass
