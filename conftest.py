"""For every pytest run, also a plain ``pytest --nbval lessons``: virtual time, and a learner's folder of its own."""

import os
import tempfile

os.environ["COURSE_CLOCK"] = "virtual"
os.environ["COURSE_WORK"] = tempfile.mkdtemp(prefix="course-work-")
os.environ["PYTHONHASHSEED"] = "0"
for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "COURSE_MODEL"):
    os.environ.pop(name, None)
