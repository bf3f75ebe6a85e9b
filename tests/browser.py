"""A notebook in a real JupyterLab in a real Chromium: opened, run, operated, photographed.

    python tests/browser.py lessons/01_why_streaming_matters.ipynb --out shot.png [--dark] [--run] [--width 1100]

Rules kept here:

- Nothing of the user is touched: the server has its own configuration, data, runtime, settings and workspace folders,
  and the command line works on a copy of the notebook.
- Nothing is slept for. Every wait is a condition, and when it does not come true its error says what was awaited and
  what was seen instead.
- Nothing stays: server, kernels and browser end with the `with` block, also after a failure.
- No request leaves the machine: the page's requests to other origins are refused and reported.

Chromium comes from the system, not from playwright's own download, so that a machine without network can run this.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Dialog,
        FloatRect,
        Locator,
        Page,
        Route,
        WebSocket,
    )

REPOSITORY = Path(__file__).resolve().parent.parent
NOTEBOOK_FOLDERS = ("lessons", "exercises", "solutions")
PATIENCE = 90.0
POLL = 0.1
SHOT_HEIGHT = 1600

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_FLAGS = (
    "--no-sandbox",  # a container's root has no other way
    "--disable-dev-shm-usage",  # /dev/shm is 64 MB in most containers
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # The page's requests are refused one by one below; this catches what does not come from a page.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
NO_CHROMIUM = "no Chromium; install it with: apt-get install chromium (or put its path into the variable CHROMIUM)"
NO_PLAYWRIGHT = "no playwright; install it with: pip install -r requirements-test.txt"

# For our page only: all cells in the DOM (other modes attach those in view), a kernel without a question, no news.
PAGE_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}


class NotSeen(AssertionError):
    """A condition did not come true in time."""


def chromium_path() -> str | None:
    """The Chromium of this machine: the variable CHROMIUM, or the first of the usual names on the PATH."""
    wanted = os.environ.get("CHROMIUM")
    return shutil.which(wanted) if wanted else next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def missing() -> str | None:
    """What this machine lacks to drive a browser, and how to get it."""
    if importlib.util.find_spec("playwright") is None:
        return NO_PLAYWRIGHT
    return None if chromium_path() else NO_CHROMIUM


def wait_until(
    what: str, probe: Callable[[], tuple[bool, object]], pause: Callable[[float], object], patience: float = PATIENCE
) -> None:
    """Ask `probe` for (true or not, what is seen) until it is true."""
    deadline = time.perf_counter() + patience
    while True:
        done, seen = probe()
        if done:
            return
        if time.perf_counter() > deadline:
            raise NotSeen(f"waited {patience:.0f} s for {what}; seen instead: {seen}")
        pause(POLL)


# --- the server ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A JupyterLab of our own."""

    url: str
    token: str
    root: Path
    home: Path

    def ask(self, method: str, path: str) -> Any:
        """The JSON answer of the server's API (None when it has no body)."""
        return _ask(self.url, self.token, method, path)

    def end_session(self, path: str) -> None:
        """Stop the kernel of one notebook."""
        for session in self.ask("GET", "api/sessions"):
            if session["path"] == path:
                self.ask("DELETE", f"api/sessions/{session['id']}")

    def sign(self, path: str) -> None:
        """Trust a notebook, as the course's start command does: only then JupyterLab shows its stored SVG."""
        nbformat, signing = map(importlib.import_module, ("nbformat", "nbformat.sign"))  # half of them has no types
        notary = signing.NotebookNotary(data_dir=str(self.home / "data"))
        try:
            notary.sign(nbformat.read(self.root / path, as_version=4))
        finally:
            notary.close()


@contextmanager
def jupyterlab(root: Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A JupyterLab over the folder `root`, whose kernels can import the course; gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="course-browser-") as folder:
        home, token = Path(folder), secrets.token_hex(16)
        process = _start(root, home, token, env or {})
        try:
            yield Server(_url_when_up(process, home, token), token, root, home)
        finally:
            _stop(process)


def _environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    # OPENAI_* would let a lesson talk to a real, paid endpoint; the others would mix the user's set-up into ours.
    foreign = ("JUPYTER", "OPENAI", "COURSE", "IPYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), kept.get("PYTHONPATH")])),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "COURSE_WORK": str(home / "work"),
        **extra,
    }


def _start(root: Path, home: Path, token: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    for name in ("data", "ipython", "work"):
        (home / name).mkdir()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--IdentityProvider.token={token}"),
        *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={root.resolve()}"),
        # If this process is killed without a chance to clean up, kernels and server end by themselves.
        *("--MappingKernelManager.cull_idle_timeout=900", "--MappingKernelManager.cull_connected=True"),
        "--ServerApp.shutdown_no_activity_timeout=900",
    ]
    with open(home / "log", "wb") as log:
        return subprocess.Popen(
            command,
            env=_environment(home, env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that Ctrl-C reaches only us, and we stop the server in order
        )


def _url_when_up(process: subprocess.Popen[bytes], home: Path, token: str) -> str:
    """Where the server listens: it chose a free port itself and wrote it down."""
    note = home / "runtime" / f"jpserver-{process.pid}.json"

    def answers() -> tuple[bool, object]:
        log = (home / "log").read_text(errors="replace")[-1500:]
        if process.poll() is not None:
            raise NotSeen(
                f"JupyterLab ended with exit status {process.returncode} while starting; its last words:\n{log}"
            )
        try:
            _ask(json.loads(note.read_text())["url"], token, "GET", "api/status")
        except (OSError, ValueError):  # the note is not written, or half written, or nobody listens yet
            return False, log
        return True, log

    wait_until("JupyterLab to answer", answers, time.sleep)
    return str(json.loads(note.read_text())["url"])


def _ask(url: str, token: str, method: str, path: str) -> Any:
    request = urllib.request.Request(url + path, method=method, headers={"Authorization": f"token {token}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy variable must not catch loopback
    with direct.open(request, timeout=PATIENCE) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Kernels run in sessions of their own: remember them first, so that one a dying server left can be ended too.
    psutil = importlib.import_module("psutil")  # comes with ipykernel; has no types
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for kernel in psutil.wait_procs(family, timeout=5)[1]:
        kernel.kill()


# --- the browser -----------------------------------------------------------------------------------------------------


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; gone at the end of the block.

    Playwright keeps an event loop running in this thread meanwhile: no `asyncio.run` inside the block.
    """
    if lack := missing():
        raise FileNotFoundError(lack)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def notebook(
    browser: Browser, server: Server, path: str, *, dark: bool = False, width: int = 1100
) -> Iterator[NotebookPage]:
    """The notebook, opened in a page of its own; its kernel ends with the block."""
    context = browser.new_context(viewport={"width": width, "height": SHOT_HEIGHT}, service_workers="block")
    try:
        opened = NotebookPage(context, server, path, dark=dark)
        opened.open()
        yield opened
    finally:
        context.close()
        server.end_session(path)


@dataclass(frozen=True)
class CellError:
    """An exception a cell ended with, as the kernel reported it."""

    cell: int | None
    name: str
    value: str

    def __str__(self) -> str:
        return f"cell {self.cell}: {self.name}: {self.value}"


class Kernel:
    """What passes between page and kernel: which executions are under way, which ended in an error."""

    def __init__(self, cells: Sequence[Mapping[str, Any]]) -> None:
        self.cells = len(cells)
        self.positions = {cell.get("id"): number for number, cell in enumerate(cells)}
        self.expected = {cell.get("id") for cell in cells if "raises-exception" in cell["metadata"].get("tags", [])}
        self.sent: dict[str, str] = {}
        self.answered: set[str] = set()
        self.errors: list[CellError] = []

    def watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self.on_sent(message(frame)))
        socket.on("framereceived", lambda frame: self.on_received(message(frame)))

    def on_sent(self, said: Message) -> None:
        if said.header.get("msg_type") == "execute_request":
            self.sent[said.header["msg_id"]] = said.metadata.get("cellId", "")

    def on_received(self, said: Message) -> None:
        request = said.parent.get("msg_id", "")
        if said.header.get("msg_type") == "execute_reply":
            self.answered.add(request)
        cell = self.sent.get(request)
        if said.header.get("msg_type") == "error" and cell not in self.expected:
            self.errors.append(CellError(self.positions.get(cell), said.content["ename"], said.content["evalue"]))

    @property
    def waiting(self) -> list[int | None]:
        """The cells that were sent and have not been answered."""
        return [self.positions.get(cell) for request, cell in self.sent.items() if request not in self.answered]


@dataclass(frozen=True)
class Message:
    header: Mapping[str, Any]
    parent: Mapping[str, Any]
    metadata: Mapping[str, Any]
    content: Mapping[str, Any]


def message(frame: bytes | str) -> Message:
    """A kernel message from a WebSocket frame: JSON, or version 1 of Jupyter's binary form (offsets, then parts)."""
    if isinstance(frame, str):
        whole = json.loads(frame)
        return Message(whole["header"], whole["parent_header"], whole["metadata"], whole["content"])
    numbers = [int.from_bytes(frame[at : at + 8], "little") for at in range(0, 8 * 7, 8)]
    parts = [
        json.loads(frame[start:end]) for start, end in pairwise(numbers[2:])
    ]  # numbers: count, channel, header, ...
    return Message(*parts[:4])


class NotebookPage:
    """One notebook in one page: what a learner does with it, and what went wrong meanwhile."""

    def __init__(self, context: BrowserContext, server: Server, path: str, *, dark: bool) -> None:
        self.server, self.path, self.dark = server, path, dark
        self.page: Page = context.new_page()
        self.kernel = Kernel(json.loads((server.root / path).read_text(encoding="utf-8"))["cells"])
        self.page_errors: list[str] = []
        self.outgoing: list[str] = []
        self.dialogs: list[str] = []
        self._listen(context)

    def _listen(self, context: BrowserContext) -> None:
        context.route("**/*", self._let_through)
        self.page.on("websocket", self._on_socket)
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.on("dialog", self._on_dialog)

    def _let_through(self, route: Route) -> None:
        url = route.request.url
        if not url.startswith(self.server.url):
            self.outgoing.append(url)
            route.abort()
        elif (
            urlsplit(url).path.startswith(urlsplit(self.server.url).path + "lab/api/settings")
            and route.request.method == "GET"
        ):
            self._with_settings(route)
        else:
            route.continue_()

    def _with_settings(self, route: Route) -> None:
        answer = route.fetch()
        settings = answer.json()
        theme = "JupyterLab Dark" if self.dark else "JupyterLab Light"
        ours = {**PAGE_SETTINGS, "@jupyterlab/apputils-extension:themes": {"theme": theme}}
        for one in settings.get("settings", [settings]):
            if one.get("id") in ours:
                one["settings"] = ours[one["id"]]
                one["raw"] = json.dumps(ours[one["id"]])
        route.fulfill(response=answer, json=settings)

    def _on_socket(self, socket: WebSocket) -> None:
        if urlsplit(socket.url).netloc != urlsplit(self.server.url).netloc:
            self.outgoing.append(socket.url)
        elif "/api/kernels/" in socket.url:
            self.kernel.watch(socket)

    def _on_console(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.page_errors.append(f"{said.text} ({said.location['url']})")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    # waiting

    def wait(self, what: str, probe: Callable[[], tuple[bool, object]]) -> None:
        """Wait for a condition; open dialogs are noted meanwhile, because they are what usually stands in the way."""

        def look() -> tuple[bool, object]:
            done, seen = probe()
            for text in self.page.locator(".jp-Dialog").all_inner_texts():
                if text not in self.dialogs:
                    self.dialogs.append(text)
            return done, f"{seen}; dialogs {self.dialogs}; page errors {self.page_errors[-3:]}"

        wait_until(f"{what} in {self.path}", look, lambda seconds: self.page.wait_for_timeout(seconds * 1000))

    def open(self) -> None:
        self.page.goto(f"{self.server.url}doc/tree/{quote(self.path)}?token={self.server.token}")
        self.wait("the cells to appear", lambda: self._ask_page(CELLS_APPEARED))

    def _ask_page(self, script: str, argument: object = None) -> tuple[bool, object]:
        done, seen = self.page.evaluate(script, argument)
        return bool(done), seen

    def wait_for_kernel(self) -> None:
        # The page's indicator reads "idle" also before a kernel exists, so the server is asked first.
        self.wait("the kernel to be ready", self._kernel_ready)
        self.wait("the page to know that the kernel is idle", self._indicator_idle)

    def _kernel_ready(self) -> tuple[bool, object]:
        kernels = [
            session["kernel"] for session in self.server.ask("GET", "api/sessions") if session["path"] == self.path
        ]
        return any(one["execution_state"] == "idle" and one["connections"] > 0 for one in kernels), kernels

    def _indicator_idle(self) -> tuple[bool, object]:
        status = self.page.locator(".jp-Notebook-ExecutionIndicator").first.get_attribute("data-status")
        return status == "idle", status

    def wait_until_drawn(self) -> None:
        self.wait("all cells to be drawn", twice(lambda: self._ask_page(DRAWN, self.kernel.cells)))

    # what a learner does

    def run_all(self) -> None:
        """Run all cells by the menu and wait for the last; what they ended with stands in `errors`."""
        self.wait_for_kernel()
        before = len(self.kernel.sent)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
        self.wait("a cell to be sent to the kernel", lambda: (len(self.kernel.sent) > before, "none sent"))
        self.wait("all cells to have run", twice(self._all_done))

    def _all_done(self) -> tuple[bool, object]:
        # Not "every cell has a number": after an error the rest never gets one, nor does an empty cell.
        idle, status = self._indicator_idle()
        stars = [
            at
            for at, text in enumerate(self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts())
            if "*" in text
        ]
        seen = f"kernel {status}, unanswered cells {self.kernel.waiting}, code cells with [*] {stars}"
        return idle and not self.kernel.waiting and not stars, seen

    def widgets(self) -> list[Locator]:
        """The outputs that are widgets, from top to bottom."""
        return self.page.locator(WIDGETS).all()

    def press_slider(self, widget: Locator, key: str = "ArrowRight", *, times: int = 1, number: int = 0) -> None:
        """Move a slider of the widget by the keyboard (the up and down keys would move the selected cell too)."""
        handle = widget.get_by_role("slider").nth(number)
        for _ in range(times):
            handle.press(key)

    def click_slider(self, widget: Locator, fraction: float, *, number: int = 0) -> None:
        """Move a slider by a click on its track, 0.0 at the left end, 1.0 at the right end."""
        track = widget.locator(".noUi-base").nth(number)
        track.scroll_into_view_if_needed()
        box = track.bounding_box()
        assert box is not None, "the slider has no place on the page"
        track.click(
            position={"x": box["width"] * fraction, "y": box["height"] / 2}, force=True
        )  # force: the handle may lie above

    def click_button(self, widget: Locator, name: str) -> None:
        widget.get_by_role("button", name=name).click()

    def wait_for_view(self, widget: Locator, text: str) -> None:
        """Wait until the markup in the widget's HTML views contains `text`."""
        self.wait(f"the widget to show {text!r}", lambda: (text in (now := self.view(widget)), now))

    def wait_for_change(self, widget: Locator, before: str) -> None:
        """Wait until the widget's HTML views are other than `before`."""
        self.wait("the widget's view to change", lambda: ((now := self.view(widget)) != before, now))

    def view(self, widget: Locator) -> str:
        """The markup in the widget's HTML views: text, and SVG down to the coordinates."""
        return "\n".join(
            widget.locator(".widget-html-content").evaluate_all("views => views.map(view => view.innerHTML)")
        )

    # what is to be seen

    @property
    def errors(self) -> list[CellError]:
        """Exceptions of cells that are not tagged raises-exception."""
        return self.kernel.errors

    def figures(self) -> int:
        """How many SVG outputs are drawn."""
        self.wait_until_drawn()
        return int(self.page.evaluate(FIGURES_DRAWN))

    def problems(self) -> list[str]:
        """All that a person should not meet, one line each; empty where all is well."""
        self.wait_until_drawn()
        return [
            *(str(error) for error in self.errors),
            *(f"page error: {text}" for text in self.page_errors),
            *(f"request to another origin: {url}" for url in self.outgoing),
            *(f"dialog: {text}" for text in self.dialogs),
            *(str(text) for text in self.page.evaluate(BROKEN, WIDGETS)),
        ]

    def photograph(self, out: Path, height: int = SHOT_HEIGHT) -> list[Path]:
        """The whole notebook as PNG files of about `height` pixels, cut between cells where possible."""
        self.wait_until_drawn()
        width = (self.page.viewport_size or {"width": 1100})["width"]
        self.page.set_viewport_size(
            {"width": width, "height": height + 200}
        )  # 200: more than menu, toolbar and status bar
        tops, whole = self.page.evaluate(CELL_TOPS)
        pieces = list(pairwise(page_breaks(tops, whole, height)))
        names = [
            out if len(pieces) == 1 else out.with_stem(f"{out.stem}-{number}") for number in range(1, len(pieces) + 1)
        ]
        for name, (start, end) in zip(names, pieces, strict=True):
            self._photograph_piece(name, start, end)
        return names

    def _photograph_piece(self, out: Path, start: float, end: float) -> None:
        left, top, width, scrolled = self.page.evaluate(SCROLL_TO, start)
        clip: FloatRect = {"x": left, "y": top + start - scrolled, "width": width, "height": end - start}
        self.wait_until_drawn()
        self.page.screenshot(path=out, clip=clip)


def twice(probe: Callable[[], tuple[bool, object]]) -> Callable[[], tuple[bool, object]]:
    """True when `probe` was true and saw the same two times in a row: between two cells everything looks finished."""
    last: list[object] = []

    def again() -> tuple[bool, object]:
        done, seen = probe()
        same = done and last == [seen]
        last[:] = [seen] if done else []
        return same, seen

    return again


def page_breaks(tops: Sequence[float], whole: float, height: float) -> list[float]:
    """Where to cut `whole` pixels into pieces of at most `height`: at the top of a cell unless half a piece is lost."""
    breaks = [0.0]
    while whole - breaks[-1] > height:
        full = breaks[-1] + height
        breaks.append(max((top for top in tops if full - height / 2 < top <= full), default=full))
    return [*breaks, whole]


# --- questions to the page (JupyterLab 4.6) --------------------------------------------------------------------------

# A widget's output is a bare panel; every other output names its mime type.
WIDGETS = ".jp-OutputArea-output.lm-Panel:not([data-mime-type])"

CELLS_APPEARED = """() => {
  const cells = document.querySelectorAll('.jp-NotebookPanel .jp-Cell').length;
  const splash = document.querySelector('#jupyterlab-splash') !== null;
  return [cells > 0 && !splash, `${cells} cells, splash screen ${splash}, ${document.body.innerText.slice(0, 300)}`];
}"""

# Cells come one by one while the page is idle, and markdown with a diagram is empty until the diagram is there.
DRAWN = """expected => {
  const book = document.querySelector('.jp-Notebook');
  const cells = book.querySelectorAll('.jp-Notebook-cell .cm-content').length;
  const texts = book.querySelectorAll('.jp-MarkdownCell.jp-mod-rendered:not(:has(.jp-MarkdownOutput > *))').length;
  const loading = [...book.querySelectorAll('img')].filter(image => !image.complete).length;
  const height = Math.round(book.querySelector('.jp-WindowedPanel-viewport').getBoundingClientRect().height);
  const fonts = document.fonts.status;
  const done = cells >= expected && !texts && !loading && fonts === 'loaded';
  const seen = `${cells} of ${expected} cells, ${texts} texts blank, ${loading} images loading, fonts ${fonts}`;
  return [done, `${seen}, ${height} px`];
}"""

FIGURES_DRAWN = """() => [...document.querySelectorAll('.jp-RenderedSVG img, .jp-RenderedSVG svg')]
  .filter(figure => figure.getBoundingClientRect().height > 0 && (figure.naturalWidth ?? 1) > 0).length"""

BROKEN = """widgets => {
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-Notebook-cell')];
  const where = part => `cell ${cells.indexOf(part.closest('.jp-Notebook-cell'))}`;
  const all = selector => [...document.querySelectorAll('.jp-Notebook ' + selector)];
  const visible = part => part.getBoundingClientRect().height > 0;
  const controls = 'svg, canvas, img, input, button, select, textarea, progress, .noUi-base';
  const empty = box => !box.innerText.trim() && ![...box.querySelectorAll(controls)].some(visible);
  return [
    ...all(widgets).filter(empty).map(box => `${where(box)}: the widget's view is empty`),
    ...all(widgets).filter(box => /^Error (displaying|creating) widget/.test(box.innerText.trim()))
      .map(box => `${where(box)}: ${box.innerText}`),
    ...all('img').filter(image => image.complete && !image.naturalWidth)
      .map(image => `${where(image)}: broken image ${image.src.slice(0, 80)}`),
    ...all('.jp-RenderedMermaid.jp-mod-warning')
      .map(box => `${where(box)}: broken diagram: ${box.innerText.slice(0, 200)}`),
  ];
}"""

CELL_TOPS = """() => {
  const strip = document.querySelector('.jp-WindowedPanel-viewport').getBoundingClientRect();
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-Notebook-cell')];
  return [cells.map(cell => Math.floor(cell.getBoundingClientRect().top - strip.top)), Math.ceil(strip.height)];
}"""

SCROLL_TO = """start => {
  const outer = document.querySelector('.jp-WindowedPanel-outer');
  outer.scrollTop = start;
  const box = outer.getBoundingClientRect();
  return [box.left, box.top, outer.clientWidth, outer.scrollTop];
}"""


# --- the command line ------------------------------------------------------------------------------------------------


def stage(original: Path, root: Path) -> str:
    """Copy a notebook, with all the others where it is one of the course's, into the folder `root`; its path there."""
    original = original.resolve()
    if not original.is_relative_to(REPOSITORY):
        shutil.copy(original, root)
        return original.name
    for folder in filter(Path.is_dir, (REPOSITORY / name for name in NOTEBOOK_FOLDERS)):
        shutil.copytree(folder, root / folder.name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    copy = root / original.relative_to(REPOSITORY)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(original, copy)
    return copy.relative_to(root).as_posix()


def show(original: Path, out: Path, *, run: bool, dark: bool, width: int, trusted: bool) -> list[str]:
    """Photograph a copy of the notebook, say where the pictures are, and return the problems met."""
    with tempfile.TemporaryDirectory(prefix="course-notebooks-") as folder:
        root = Path(folder)
        path = stage(original, root)
        with jupyterlab(root) as server, chromium() as browser:
            if trusted:
                server.sign(path)
            with notebook(browser, server, path, dark=dark, width=width) as page:
                if run:
                    page.run_all()
                print(*page.photograph(out), sep="\n")
                return page.problems()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Photograph a notebook in JupyterLab and report what went wrong in the page."
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "--out", type=Path, default=Path("shot.png"), help="PNG file; a long notebook gives NAME-1.png, NAME-2.png, ..."
    )
    parser.add_argument("--run", action="store_true", help="run all cells first")
    parser.add_argument("--dark", action="store_true", help="JupyterLab's dark theme")
    parser.add_argument("--width", type=int, default=1100, help="width of the browser window in pixels")
    parser.add_argument(
        "--untrusted", action="store_true", help="as JupyterLab shows a notebook that nobody signed: without stored SVG"
    )
    asked = parser.parse_args(arguments)
    problems = show(
        asked.notebook, asked.out, run=asked.run, dark=asked.dark, width=asked.width, trusted=not asked.untrusted
    )
    print(*(problems or ["no problems"]), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
