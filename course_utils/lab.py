"""`python -m course_utils lab`: JupyterLab on the learner's start page, without a question on the way.

JupyterLab runs in this process, so that the signals of the terminal reach it directly: one Ctrl-C ends the server and
its kernels. (On its own it asks "Shut down this Jupyter server (y/[n])?" and goes on when nobody answers.)
"""

import argparse
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
START_PAGE = "work/lessons/00_start_here.ipynb"
LOOPBACK = "127.0.0.1"

SETTINGS = {
    # The pop-up about news greets every newcomer, and its answer is a request to a website.
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # The extension manager lists extensions from a website.
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
    # No "Select Kernel" on opening and no "Rename file" on saving.
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    "@jupyterlab/docmanager-extension:plugin": {"renameUntitledFileOnSave": False},
}


class CannotStart(Exception):
    """A sentence for the learner: what was expected, what came, what to do."""


def main(argv: Sequence[str]) -> int:
    """Prepare the learner's folder and run JupyterLab until it is stopped; the exit code."""
    options = parse(argv)
    try:
        require_free(options.ip, options.port or 0)
        prepare()
        return serve(arguments(options))
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="start.py lab", description="Start JupyterLab on the course's start page.")
    parser.add_argument("--port", type=port_number, help="port to listen on (default: a free one)")
    parser.add_argument("--ip", default=LOOPBACK, help="address to listen on (default: this machine only)")
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    return parser.parse_args(argv)


def port_number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def require_free(ip: str, port: int) -> None:
    """Refuse in words what JupyterLab would refuse with a traceback, or by quietly taking another port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(ip, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere the option would let two servers share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            if ip == LOOPBACK:  # where `lo` is down one can listen, but nobody gets through
                probe.listen(1)
                socket.create_connection(probe.getsockname(), timeout=5).close()
    except OSError as error:
        raise CannotStart(refusal(ip, port, error)) from error


def refusal(ip: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program: leave out --port to get a free one, or name another."
    if port:
        return f"JupyterLab cannot listen on {ip} port {port} ({error}): leave out --port and --ip to get a free one."
    if ip != LOOPBACK:
        return f"JupyterLab cannot listen on {ip} ({error}): leave out --ip to listen on this machine only."
    return (
        f"This machine has no loopback address {LOOPBACK} ({error}), over which the browser talks to JupyterLab: "
        "switch the network interface `lo` on, or ask whoever runs the machine or container."
    )


def prepare() -> None:
    """Everything that must be there before the first page: the learner's copies, the settings, the trust."""
    from course_utils import work

    for line in work.fill():
        print(line)
    write_settings(Path(sys.prefix))
    # A signature belongs to the content, not to the place: the copies in work/ are trusted with their originals,
    # and what the learner wrote there stays the learner's to trust.
    trust(path for folder in ("lessons", "exercises", "solutions") for path in (ROOT / folder).glob("*.ipynb"))


def write_settings(prefix: Path) -> None:
    """JupyterLab's defaults for this environment; what the learner chooses in the menu still wins."""
    folder = prefix / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(SETTINGS, indent=2) + "\n", encoding="utf-8")


def trust(paths: Iterable[Path]) -> None:
    """Sign our notebooks: JupyterLab shows stored SVG output only in notebooks it trusts."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in paths:
        notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()


def arguments(options: argparse.Namespace) -> list[str]:
    chosen = [
        f"--ServerApp.root_dir={ROOT}",
        f"--ServerApp.ip={options.ip}",
        f"--LabApp.default_url=/lab/tree/{START_PAGE}",
        # The address is logged as critical and stays; the rest is for administrators.
        "--Application.log_level=ERROR",
        "--Application.log_format=%(message)s",
        # Encrypt between server and kernel where both can, instead of a warning that they don't.
        "--KernelManager.transport_encryption=auto",
    ]
    if options.port:
        chosen += [f"--ServerApp.port={options.port}", "--ServerApp.port_retries=0"]
    if options.no_browser:
        chosen += ["--no-browser"]
    if hasattr(os, "getuid") and os.getuid() == 0:
        chosen += ["--allow-root"]  # in a container there is often no other user
    return chosen


def serve(argv: list[str]) -> int:
    """Run JupyterLab until the menu, Ctrl-C or the system ends it; 128 + the signal's number, as shells count."""
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=argv)
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        server.stop(from_signal=True)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP; under nohup it is ignored and stays so
        number = getattr(signal, name, None)
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, stop)
    print("Starting JupyterLab; Ctrl-C here ends it.", flush=True)
    server.start()
    return 128 + received[0] if received else 0
