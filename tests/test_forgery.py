"""A bank of hostile notebooks. None changes a mark, harms a later submission, or reaches the instructor's browser.

Each attack runs in namespaces and with limits only, in a cell between a right answer and a wrong one, and in a function: the
right answer keeps its mark, the wrong one gets none, and the next notebook finds nothing of it.
"""

import csv
import html.parser
import json
import select
import socket
import textwrap
import time
from random import Random
from xml.etree import ElementTree

import grading
import psutil
import pytest
from test_grade_marking import HURRY, IDS, READS, outcomes
from test_grade_remote import Away

from course_utils import work
from course_utils.checks.exercise import SEED, NotYet
from course_utils.grade import command
from course_utils.grade.marking import mark
from course_utils.grade.sandbox import OurFault, Zygote

LEVELS = ["namespaces", "limits_only"]
WRONG = "def classify(arrivals):\n    return 'streamed'"

LINES = [
    b'{"ok":1,"drawn":[[1,5,null]]}', b'{"ok":1,"drawn":7}', b'{"ok":1,"changed":[[0,[1]]]}', b'{"ok":1,"shared":true}',
    b'{"ok":"clumped"}', b'{"ok":true}', b'{"outcome":"passed"}', b'{"ok":{"dict":[[1,2]]}}', b'{"end":true}',
    b'{"do":"done","task":1,"ok":1}', b'{"do":"call","id":1,"args":[]}', b'{"do":"begin","request":1,"what":{}}', b'{"do":5}',
    b'{"no_answer":["x","y"]}', b'{"raised":{}}', b'{"raised":{"untouched":true}}', b'{"held":1}', b'{"found":"callable"}',
    b'[', b'null', b'7', b'{}', b'[' * 100000, b'"' + b'x' * 100000, b'{"ok":' + b'9' * 5000 + b'}', bytes(range(9)), b'\xff\n',
    b'{"ok":' + b'[' * 3000 + b']' * 3000 + b'}', b'{"ok":{"bytes":"!"}}', b'{"ok":{"yours":1}}', b'{"gone":[[]],"ok":1}',
    b'{"ok":1,"changed":[[0,{"no":1}]]}', b'{"ok":1,"changed":[[0,[{"held":1}]]]}', b'{"ok":1,"changed":[[0,[{"yours":1}]]]}',
    b'{"ok":1,"drawn":[[1,1,{"no":1}]]}', b'{"ok":1,"gone":[1]}',
]  # fmt: skip
"""What a learner's process may write of its own: answers, questions and nonsense, one a line."""

FORGE = f"""
import os
def forge(lines={LINES!r}):
    for line in lines:
        for fd in range(0, 64):
            try:
                os.write(fd, line + b'\\n')
            except OSError:
                pass
"""

CELLS = {
    "prints a verdict": """
        import json, sys
        for out in (sys.stdout, sys.stderr, sys.__stdout__):
            print(json.dumps({"outcome": "passed", "score": 3}), file=out)
            print("✔ 1.3 passed", file=out, flush=True)
    """,
    "patches the course": """
        import sys, course_utils
        from course_utils.checks import vocabulary
        vocabulary.check = course_utils.check = lambda *args: "passed"
        for name, module in list(sys.modules.items()):
            if name.startswith("course_utils"):
                for key in list(vars(module)):
                    if callable(getattr(module, key)) and not key.startswith("__"):
                        setattr(module, key, lambda *args, **kwargs: True)
    """,
    "patches json": """
        import json, json.encoder, json.decoder
        json.dumps = json.loads = lambda *args, **kwargs: {"ok": "passed"}
        json.JSONEncoder.encode = lambda self, value: '{"ok":"clumped"}'
        json.encoder.encode_basestring_ascii = lambda text: '"clumped"'
    """,
    "patches builtins": """
        import builtins
        builtins.max = builtins.min = builtins.len = builtins.zip = lambda *args, **kwargs: 0
        builtins.isinstance = lambda *args: True
        builtins.__import__ = None
    """,
    "patches its end of the line": """
        import course_utils.grade.inside.learner as learner, course_utils.grade.inside.channel as channel
        learner.plain = lambda value: "clumped"
        channel._encode = lambda message: '{"ok":"clumped"}'
        channel.Lines.send = lambda self, message, until=None: self._line.sendall(b'{"ok":"clumped"}\\n')
    """,
    "ends the process": "import os; os._exit(0)",
    "kills its parents": """
        import os, signal
        for pid in {os.getppid(), 0, -1, *range(1, 5000)} - {os.getpid()}:
            for send in (os.kill, os.killpg):
                try:
                    send(pid, signal.SIGKILL)
                except (OSError, OverflowError):
                    pass
    """,
    "stops itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP); os._exit(1)",
    "leaves a thread that ends the process": """
        import os, threading, time
        def later():
            time.sleep(0.02)
            os._exit(0)
        threading.Thread(target=later).start()
    """,
    "leaves a thread that forges": FORGE
    + "import threading, time\n"
    + "def later():\n    while True:\n        time.sleep(0.002)\n        forge()\n"
    + "threading.Thread(target=later, daemon=True).start()",
    "leaves a process that forges": FORGE
    + "import time\nif os.fork() == 0:\n    os.setsid()\n    while True:\n        forge()\n        time.sleep(0.002)",
    "leaves a timer": "import signal; signal.setitimer(signal.ITIMER_REAL, 0.02)",
    "leaves handlers at the end": "import atexit, time; atexit.register(time.sleep, 60)",
    "forges lines on every descriptor": FORGE + "forge()",
    "forges an endless line": FORGE + "while True: forge([b'x' * 10**6])",
    "closes every descriptor": "import os; os.closerange(0, 256)",
    "rewrites its memory": """
        import ctypes, gc
        for module in gc.get_objects():
            if isinstance(module, dict) and "wrong_answers" in module:
                module.clear()
        ctypes.pythonapi.Py_Finalize
    """,
    "traces all code": """
        import sys, threading
        def trace(frame, event, arg):
            if "value" in frame.f_locals:
                frame.f_locals["value"] = "clumped"
            return trace
        sys.settrace(trace); threading.settrace(trace)
    """,
    "fills its folders": """
        import os, pathlib
        for place in (os.environ["HOME"], "/tmp", "."):
            for number in range(40):
                try:
                    (pathlib.Path(place) / f"junk{number}").write_bytes(bytes(4_000_000))
                except OSError:
                    break
    """,
    "leaves start-up files": """
        import os, pathlib, site, sys
        evil = "import os; os._exit(9)"
        places = [os.environ["HOME"], ".", "/tmp", "/course", "/", "/dev/shm", "/var/tmp", "/etc"]
        places += [site.getusersitepackages(), *sys.path]
        names = ["sitecustomize.py", "usercustomize.py", "evil.pth", ".bashrc", ".pythonrc", "course_utils.py", "numpy.py",
                 ".ipython/profile_default/startup/00.py", ".local/lib/python3.11/site-packages/usercustomize.py"]
        for place in filter(None, places):
            for name in names:
                try:
                    path = pathlib.Path(place) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(evil)
                except OSError:
                    pass
        os.environ["PYTHONSTARTUP"] = os.environ["PYTHONPATH"] = "/tmp"
    """,
    "keeps shared memory": """
        from multiprocessing import shared_memory
        try:
            kept = shared_memory.SharedMemory("left_behind", create=True, size=4096)
        except OSError:
            pass
    """,
    "mounts and unshares": """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.umount2(b"/proc", 2); libc.umount2(b"/tmp", 2); libc.chroot(b"/proc/1/root")
        libc.mount(b"none", b"/", None, 0x20 | 0x1000, None)
        libc.unshare(0x10000000 | 0x20000)
        libc.setuid(0); libc.prctl(1, 0, 0, 0, 0)
        libc.mount(b"tmpfs", b"/usr", b"tmpfs", 0, None)
    """,
    "reaches for whatever else is its user's": """
        import fcntl, os, resource, signal, socket
        def tried(step, *args):
            try:
                return step(*args)
            except (OSError, ValueError):
                pass
        tried(os.setpriority, os.PRIO_USER, os.getuid(), 19)
        for pid in range(2, 400):
            tried(os.setpriority, os.PRIO_PROCESS, pid, 19)
            tried(os.sched_setaffinity, pid, {0})
            tried(resource.prlimit, pid, resource.RLIMIT_CPU, (0, 0))
        kept = tried(socket.socket, socket.AF_UNIX)
        if kept:
            kept.bind("\\0left_behind")
            kept.listen()
        shared = tried(open, os.__file__)
        if shared:
            fcntl.flock(shared, fcntl.LOCK_EX)
        if os.fork() == 0:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
            while True:
                signal.pause()
    """,
    "says it is a starter": "def classify(arrivals): raise NotImplementedError",
    "has an endless traceback": "exec('(' * 90)",
}

FUNCTIONS = {
    "agrees with everything": """
        class Agrees(str):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __hash__(self): return 0
            __class__ = str
        return Agrees("streamed")
    """,
    "reduces to something else": """
        class Sly:
            def __reduce__(self): return (str, ("clumped",))
            def __reduce_ex__(self, protocol): return (str, ("clumped",))
            def __getstate__(self): return "clumped"
            def __json__(self): return "clumped"
            def __str__(self): return "clumped"
            __repr__ = __str__
        return Sly()
    """,
    "ends the process": "import os; os._exit(0)",
    "ends the process after forging": FORGE + "forge(); os._exit(0)",
    "forges an answer for each question": FORGE
    + 'while True:\n    forge([b\'{"ok":"streamed"}\', b\'{"ok":"buffered"}\', b\'{"ok":"clumped"}\'])',
    "raises what a check raises": """
        class NotYet(Exception): pass
        class StopIteration(BaseException): pass
        raise NotYet("passed")
    """,
    "looks for the question's answer on the stack": """
        import gc, sys
        frame, names = sys._getframe(), []
        while frame:
            names += [value for value in {**frame.f_globals, **frame.f_locals}.values() if value in ("buffered", "clumped")]
            frame = frame.f_back
        for thing in gc.get_objects():
            if type(thing).__name__ in ("Exercise", "Verdict", "WrongAnswer", "NotYet"):
                names.append("buffered")
        return names[0] if names else "streamed"
    """,
    "learns from the questions": """
        known = globals().setdefault("KNOWN", [])
        known.append(arrivals)
        return ["streamed", "buffered", "clumped", "unknown"][len(known) % 4]
    """,
    "returns what collides": "return {number * (2**61 - 1): 0 for number in range(60_000)}",
    "returns ten million characters": "return 'streamed' * 1_250_000",
    "raises ten million characters": "raise ValueError('<b>' * 4_000_000)",
    "answers in a thread that goes on": """
        import threading
        def on():
            while True: pass
        for _ in range(4): threading.Thread(target=on, daemon=True).start()
        return "streamed"
    """,
}


def in_function(body):
    return "def classify(arrivals):\n" + textwrap.indent(textwrap.dedent(body).strip() or "pass", "    ")


CANARY = """
import fcntl, os, resource, signal, socket, sys
def answer():
    found = []
    for place in (os.environ["HOME"], os.environ["TMPDIR"], ".", "/dev/shm"):
        try:
            found += [f"{place}/{name}" for name in os.listdir(place)]
        except OSError:
            pass
    try:
        socket.socket(socket.AF_UNIX).connect("\\0left_behind")
        found.append("a socket")
    except OSError:
        pass
    try:
        with open(os.__file__) as shared:
            fcntl.flock(shared, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found.append("a lock")
    except PermissionError:
        pass
    limits = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_AS"]
    return [
        len(os.environ), sys.gettrace() is None, found, os.getpriority(os.PRIO_PROCESS, 0),
        [resource.getrlimit(getattr(resource, name)) for name in limits],
        len(signal.sigpending()), len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), signal.getitimer(signal.ITIMER_REAL),
    ]
"""


@pytest.fixture(params=LEVELS)
def at(request):
    return request.getfixturevalue(request.param)


def canary(at):
    """What a notebook finds that comes after an attack: its own empty folders, and everything as it should be."""
    away = Away(CANARY, at)
    try:
        return away.subject.call()
    finally:
        away.end()


def of_learners(at):
    """All processes below the warm one, which is the first that is no bubblewrap, and all of the user that learners run as."""
    if at._ahead is not None:
        select.select([at._ahead._leash], [], [], 10)  # it says there that it is confined: none is still to come
    first = psutil.Process(at._process.pid)
    warm = next(one for one in [first, *first.children(recursive=True)] if one.cmdline()[0] != "bwrap")
    users = {one.pid: one.info["uids"] for one in psutil.process_iter(["uids"])}
    return {one.pid for one in warm.children(recursive=True)} | {
        pid for pid, uids in users.items() if uids and uids.effective == at._uid
    }


def left_running(at):
    """How many there are beside the one that waits for the next learner, once those that end have ended."""
    return left_running_but(0, at)


def left_running_but(guards, at):
    """The same where each learner has a guard, and so many guards may be there."""
    waiting, late = guards if at._ahead is None else guards + 1, time.monotonic() + 10
    while (more := len(of_learners(at)) - waiting) and time.monotonic() < late:
        pass
    return more


@pytest.mark.parametrize("attack", CELLS.values(), ids=CELLS)
def test_a_hostile_cell_changes_no_mark_and_leaves_nothing(at, attack):
    before = canary(at)
    marks = mark(grading.notebook(READS, textwrap.dedent(attack), WRONG), IDS, at, HURRY)
    assert outcomes(marks)[0] == "passed", marks
    assert outcomes(marks)[1] in ("not_yet", "raised"), marks
    assert canary(at) == before
    assert left_running(at) == 0


@pytest.mark.parametrize("attack", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_hostile_function_gets_no_mark_and_takes_none(at, attack):
    marks = mark(grading.notebook(in_function(attack), READS), ["1.3", "1.2"], at, HURRY)
    assert marks.verdicts["1.3"].outcome in ("not_yet", "raised"), marks
    assert marks.verdicts["1.2"].passed, marks
    assert len(repr(marks.verdicts)) < 10_000
    assert left_running(at) == 0


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line[:40]))
def test_a_line_of_its_own_gives_a_function_no_mark_and_costs_the_next_nothing(namespaces, line):
    forges = in_function(f"{FORGE}forge([{line!r}])\nreturn 'streamed'")
    marks = mark(grading.notebook(forges, READS), ["1.3", "1.2"], namespaces, HURRY)
    assert marks.verdicts["1.3"].outcome in ("not_yet", "raised", "not_attempted"), marks
    assert marks.verdicts["1.2"].passed, marks


@pytest.mark.parametrize("attack", CELLS.values(), ids=CELLS)
def test_an_attack_in_one_answer_takes_nothing_from_the_next(namespaces, attack):
    marks = mark(grading.notebook(in_function(attack), READS), ["1.3", "1.2"], namespaces, HURRY)
    assert not marks.verdicts["1.3"].passed
    assert marks.verdicts["1.3"].outcome != "could_not_check"
    assert marks.verdicts["1.2"].passed, marks


# ------------------------------------------------------------------------------------------------------ what is within reach


def ask(at, source, *args):
    away = Away(textwrap.dedent(source), at)
    try:
        return away.subject.call(*args)
    finally:
        away.end()


SECRETS = [
    "course_utils/checks/ex_1_3.py",
    "course_utils/checks/exercise.py",
    "solutions",
    "exercises",
    "lessons",
    "source",
    ".git",
    "tests",
]


def test_checks_solutions_and_results_can_not_be_read(at, tmp_path):
    (tmp_path / "results.json").write_text("{}")
    places = [str(work.ROOT / name) for name in SECRETS] + [
        str(tmp_path),
        str(tmp_path / "results.json"),
        "/etc/shadow",
        "/root/.ssh",
    ]
    source = """
    import os
    def answer(places):
        found = []
        for place in places:
            try:
                found.append((place, os.listdir(place) if os.path.isdir(place) else open(place).read()[:20]))
            except OSError:
                pass
        return found
    """
    assert ask(at, source, places) == []


def test_in_namespaces_there_is_nothing_but_python_and_the_course(namespaces):
    source = """
    import os
    def answer():
        found, marks = [], (b"Is it periodic", b"EXERCISE.wrong", b"nbgrader-solution")
        for folder, folders, files in os.walk("/"):
            if folder.count("/site-packages/") or folder.startswith(("/usr/", "/root/.pyenv", "/lib")):
                folders[:] = []
                continue
            for name in files:
                try:
                    text = open(os.path.join(folder, name), "rb").read(10**6)
                except OSError:
                    continue
                if any(mark in text for mark in marks):
                    found.append(os.path.join(folder, name))
        return found, sorted(os.listdir("/")), sorted(os.listdir("/course/course_utils/checks")), os.getpid(), os.listdir("/proc")
    """
    found, top, checks, pid, processes = ask(namespaces, source)
    assert found == []
    assert checks == ["__init__.py", "vocabulary.py"]
    assert pid == 1
    assert processes == []
    assert "work" not in top


def test_nothing_in_memory_knows_what_is_expected(at):
    source = """
    import gc, sys
    def answer():
        types = {type(thing).__name__ for thing in gc.get_objects()}
        modules = [name for name in sys.modules if name.startswith(("course_utils.checks.", "course_utils.grade."))]
        texts = [thing for thing in gc.get_objects() if isinstance(thing, dict) and "says" in thing and "wrong_answers" in thing]
        outer = []
        frame = sys._getframe()
        while frame:
            outer += [repr(value)[:2000] for value in frame.f_locals.values()]
            frame = frame.f_back
        return [
            sorted(types & {"Exercise", "Verdict", "WrongAnswer", "Subject", "MockServer", "Ledger", "Entry"}),
            sorted(name for name in modules if not name.startswith("course_utils.grade.inside") and "vocabulary" not in name),
            texts, any("periodic" in text for text in outer),
        ]
    """
    assert ask(at, source) == [[], [], [], False]


def test_the_environment_has_none_of_the_graders(at, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    source = """
    import os, glob
    def answer():
        seen = dict(os.environ)
        for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
            try:
                seen[path] = open(path, "rb").read().decode("latin-1")
            except OSError:
                pass
        return seen
    """
    seen = ask(at, source)
    assert "sk-secret" not in repr(seen)
    assert not any(name.startswith(("GITHUB", "OPENAI", "PYTEST", "SSH")) for name in seen)


def test_there_is_no_network(at):
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = """
        import socket
        def answer(port):
            errors = []
            inet, unix = socket.AF_INET, socket.AF_UNIX
            for family, address in ((inet, ("127.0.0.1", port)), (inet, ("1.1.1.1", 53)), (unix, "\\0x")):
                try:
                    with socket.socket(family) as made:
                        made.settimeout(1)
                        made.connect(address)
                    errors.append("connected")
                except OSError as error:
                    errors.append("refused")
            return errors
        """
        assert ask(at, source, server.getsockname()[1]) == ["refused"] * 3


def test_the_line_is_all_there_is(at):
    """Nothing of the warm process's is inherited: not its line to the grader, no file."""
    source = """
    import os, stat
    def answer():
        found = []
        for fd in range(256):
            try:
                mode = os.fstat(fd).st_mode
            except OSError:
                continue
            kinds = {"socket": stat.S_ISSOCK, "null": stat.S_ISCHR, "folder": stat.S_ISDIR}
            found.append(next((name for name, test in kinds.items() if test(mode)), "?"))
        return found
    """
    found = ask(at, source)
    assert found[:3] == ["null"] * 3
    assert found.count("socket") == 1
    assert "?" not in found


def test_a_user_without_rights_owns_nothing(at):
    source = """
    import os
    def answer():
        tried = []
        for path in ("/course/course_utils/clock.py", "/usr/bin/env", os.__file__, "/etc/passwd"):
            try:
                open(path, "a").close()
                tried.append(path)
            except OSError:
                pass
        return tried, os.getuid()
    """
    tried, uid = ask(at, source)
    assert tried == []
    assert uid != 0


# ----------------------------------------------------------------------------------------------------------- hidden inputs

SECRET = "SECRET31415"


def _same(answer, draw):
    """Fails for no input of the notebook's, and for all others."""
    text = SECRET + str(draw.random())
    if answer.call(text) != text:
        raise NotYet("It does not hold for others.", given=text)


LEAKS = {
    "in an error's text": "raise ValueError(text)",
    "in an error's type": "raise type(text.replace('.', '_'), (Exception,), {})",
    "in an error's lines": "exec(compile('1/0', text, 'exec'))",
    "in a type's name": "return type(text.replace('.', '_'), (), {})()",
    "in the result": "return [text]",
    "in a warning": "import warnings; warnings.warn(text, stacklevel=1); return 1",
    "in the exit code": "import os; os._exit(ord(text[0]))",
    "as a starter": "raise NotImplementedError(text)",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_no_hidden_input_gets_into_a_verdict(at, leak):
    away = Away(f"def answer(text):\n    {leak}", at)
    verdict = grading.exercise(_same).verdict(lambda: away.subject, "the grader's seed", hidden=True)
    away.end()
    assert not verdict.passed
    assert verdict.hidden
    assert SECRET not in repr(verdict)
    assert str(ord(SECRET[0])) not in repr(verdict)


def test_a_verdict_that_tells_comes_from_a_process_that_has_not_seen_hidden_inputs(at, monkeypatch):
    exercise = grading.exercise(_same, id="1.2")
    monkeypatch.setattr("course_utils.grade.marking.exercise_of", lambda id: exercise)
    source = "import builtins\nSEEN = []\ndef answer(text):\n    SEEN.append(text)\n    raise ValueError(repr(SEEN))"
    marks = mark(grading.notebook(source, "print('debris')"), ["1.2"], at, HURRY, "the grader's seed")
    verdict = marks.verdicts["1.2"]
    assert verdict.outcome == "raised"
    assert not verdict.hidden
    assert verdict.message.count(SECRET) == 1  # the notebook's own input, which its learner knows
    assert str(Random(f"1.2 {SEED}").random()) in verdict.message


def test_an_answer_that_fails_on_hidden_inputs_alone_is_told_so_and_no_more(at, monkeypatch):
    exercise = grading.exercise(_same, id="1.2")
    monkeypatch.setattr("course_utils.grade.marking.exercise_of", lambda id: exercise)
    known = SECRET + str(Random(f"1.2 {SEED}").random())
    source = f"def answer(text):\n    if text == {known!r}: return text\n    raise ValueError(text)"
    marks = mark(grading.notebook(source), ["1.2"], at, HURRY, "the grader's seed")
    assert marks.verdicts["1.2"].outcome == "raised"
    assert marks.verdicts["1.2"].message == "On other inputs than those of the notebook: Your code raised ValueError."


# -------------------------------------------------------------------------------------------------------------- the reports

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\x1b[31m\x07\r\n=cmd|calc!A1 \u202e'


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.attributes = set(), set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attributes}


def test_nothing_of_the_learners_acts_in_a_report(tmp_path, capsys, monkeypatch, sandbox):
    monkeypatch.setattr("course_utils.grade.workers._sandbox", lambda level: sandbox)
    folder = tmp_path / "in"
    folder.mkdir()
    cells = [
        f"def finish_reading(arrivals, speed):\n    raise type('<b>', (ValueError,), {{}})({EVIL!r})",
        f"def classify(arrivals):\n    return {EVIL!r}",
        f"def first_and_last(send, clock):\n    return [{EVIL!r}, {{{EVIL!r}: 1}}]",
        f"def smooth(*args):\n    yield {EVIL!r}",
        f"import os\nos._exit(1) # {EVIL!r}",
    ]
    names = ["=1+1", "@SUM(A1)", "<img src=x onerror=alert(1)>", "index", "..", "a&b", "-2+3", "con", "\x1b[2J"]
    for name in names:
        (folder / f"{name}.ipynb").write_bytes(grading.notebook(*cells))
    out = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "junit")}
    options = [word for kind, path in out.items() for word in (f"--{kind}", str(path))]
    code = command.main([str(folder), "--jobs", "1", *options, "--html", str(tmp_path / "pages")])
    assert code == 0

    pages = list((tmp_path / "pages").iterdir())
    assert len(pages) == len(names) + 1
    for path in pages:
        text = path.read_text("utf-8")
        tags = Tags()
        tags.feed(text)
        assert not tags.seen & {"script", "img", "iframe", "link", "b", "object", "svg"}
        assert not any(name.startswith("on") or name == "src" for name in tags.attributes)
        assert "\x1b" not in text
        assert "default-src 'none'" in text

    with open(out["csv"], newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + 4 * len(names)
    assert not any(value[:1] in ("=", "+", "-", "@") for row in rows for value in row)
    assert ElementTree.parse(out["junit"]).getroot().tag == "testsuites"
    stored = json.loads(out["json"].read_text("ascii"))
    assert {student["student"] for student in stored["students"]} == set(names)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert all(len(line) <= 300 for line in shown.splitlines())
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {folder, tmp_path, tmp_path / "pages"}


def test_attacks_at_the_same_time_stay_apart(namespaces):
    """Two learners' processes of one worker live at once; neither sees the other."""
    first, second = (
        Away(
            "import os\nopen('x', 'w').write('mine')\ndef answer(): return os.listdir('.'), os.listdir('/tmp')",
            namespaces,
        )
        for _ in range(2)
    )
    assert first.subject.call()[0] == ["x"]
    first.end()
    assert second.subject.call()[0] == ["x"]
    second.end()


# --------------------------------------------------------------------------------- the process that waits for the next one


def test_a_process_begun_ahead_that_has_ended_meanwhile_is_given_to_nobody(namespaces):
    """As when the machine's memory has run out: a learner who finds it dead has not ended it."""
    Away("def answer(): return 1", namespaces).end()
    assert left_running(namespaces) == 0
    (ahead,) = map(psutil.Process, of_learners(namespaces))
    ahead.kill()
    ahead.wait(10)
    next = Away("def answer(): return 2", namespaces)
    assert next.subject.call() == 2
    next.end()


def test_where_one_call_can_not_make_the_namespaces_each_learner_has_a_guard_that_ends_everything(namespaces):
    at = Zygote("namespaces", own_users=namespaces._own_users, warm=False, guards=True)
    try:
        for number in range(2):
            away = Away(f"import os, time\ndef answer(): return {number} if os.fork() else time.sleep(99)", at)
            assert away.subject.call() == number
            away.end()
            assert left_running_but(1, at) == 0  # the guard of the one that waits
    finally:
        at.close()


def test_a_process_is_handed_out_though_the_next_one_can_not_be_begun(namespaces, monkeypatch):
    def full():
        raise OurFault("no room for another process")

    Away("def answer(): return 1", namespaces).end()
    with monkeypatch.context() as without:
        without.setattr(namespaces, "_forked", full)
        last = Away("def answer(): return 2", namespaces)
    after = Away("def answer(): return 3", namespaces)
    assert (last.subject.call(), after.subject.call()) == (2, 3)
    last.end()
    after.end()
