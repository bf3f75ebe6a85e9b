"""Does `course_utils.proxy` still behave as nginx does? `python benchmarks/nginx.py [PATH_OF_NGINX]`, about a minute.

All sixteen positions of its four switches, over real sockets: the mock sends short lines of JSON, nginx passes them on, and
printed is at how many moments they came, beside what the model of the lesson says. nginx is not part of the course; a
package that is only unpacked will do.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple
from itertools import pairwise, product
from pathlib import Path

import httpx2

from course_utils import metrics
from course_utils.clock import RealClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.proxy import Proxy

PACE = Pace(headers=0.02, ttft=0.3, itl=0.05)
APART = 0.02
"""Seconds of silence after which what comes next came at another moment."""
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; proxy_temp_path {folder}/proxy; client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    gzip {gzip}; gzip_types application/x-ndjson; gzip_min_length 0; gzip_proxied any;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version {http}; proxy_set_header Connection "";
      proxy_buffering {buffering}; {ignored}
    }}
  }}
}}
"""


def configuration(proxy: Proxy, folder: str, port: int, upstream: int) -> str:
    """nginx's words for a position. The mock always sends the hint; without it nginx is told to overhear it."""
    return CONFIGURATION.format(
        folder=folder,
        port=port,
        upstream=upstream,
        http="1.0" if proxy.http10 else "1.1",
        buffering="on" if proxy.buffering else "off",
        gzip="on" if proxy.gzip else "off",
        ignored="" if proxy.hint else "proxy_ignore_headers X-Accel-Buffering;",
    )


@contextlib.contextmanager
def nginx(binary: str, proxy: Proxy, upstream: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        Path(folder, "nginx.conf").write_text(configuration(proxy, folder, port, upstream), "utf-8")
        process = subprocess.Popen([binary, "-p", folder, "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            wait_until_it_listens(port, process)
            yield f"http://127.0.0.1:{port}/v1/ndjson"
        finally:
            process.terminate()
            process.wait()


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    late = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < late:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise SystemExit("nginx does not listen: does it start with the configuration above?")


def moments(url: str) -> int:
    """At how many different moments something came."""
    clock = RealClock()
    with httpx2.stream("POST", url, json={"prompt": "hello"}, headers={"accept-encoding": "gzip"}) as answer:
        came = [clock.now() for data in answer.iter_bytes() if data]
    return 1 + sum(later - earlier > APART for earlier, later in pairwise(came))


def main() -> int:
    parser = argparse.ArgumentParser(description="The lesson's proxy beside nginx, in all sixteen positions.")
    parser.add_argument("nginx", nargs="?", default="nginx", help="the program (default: the one on the PATH)")
    binary = parser.parse_args().nginx
    print(subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr.strip())
    print("HTTP/1.0  buffering  gzip   hint   nginx  lesson")
    apart = 0
    with MockServer(pace=PACE, clock=RealClock()).serve() as server:
        for position in product((True, False), repeat=4):
            proxy = Proxy(*position)
            with nginx(binary, proxy, server.port) as url:
                seen = moments(url)
            said = len(set(metrics.arrivals(proxy.deliver(pace=PACE))))
            apart += (seen == 1) != (said == 1)
            print("{!s:<10}{!s:<11}{!s:<7}{!s:<7}".format(*astuple(proxy)) + f"{seen:5}  {said:6}")
    print("the same in all positions" if not apart else f"they differ in {apart} positions: which nginx is right now?")
    return 1 if apart else 0


if __name__ == "__main__":
    raise SystemExit(main())
