"""For every pytest run, also a plain ``pytest --nbval lessons``: virtual time, and a learner's folder of its own."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent)
WORK = tempfile.mkdtemp(prefix="course-work-")
atexit.register(shutil.rmtree, WORK, ignore_errors=True)

# Kernels that nbval starts inherit these; PYTHONPATH lets them find the package where it is not installed.
os.environ["COURSE_CLOCK"] = "virtual"
os.environ["COURSE_WORK"] = WORK
os.environ["PYTHONHASHSEED"] = "0"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported; see course_utils/lm
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "COURSE_MODEL"):
    os.environ.pop(name, None)


def pytest_runtest_protocol(item):
    """A notebook is a learner's first: what another has kept of its checks would stand in the output of `progress()`."""
    if item.path.suffix == ".ipynb":  # its kernel starts with its first cell, and inherits this
        os.environ["COURSE_WORK"] = str(Path(WORK, item.path.parent.name, item.path.stem))
