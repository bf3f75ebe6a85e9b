"""websockets, which knows nothing of language models: the socket mode of Responses, and the plain socket that can be stopped."""

from __future__ import annotations

import json
import os

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from expected import MODEL, PROMPT, SLOW, TEXT
from report import feature, first_three, report, same, streamed

ADDRESS = os.environ["OPENAI_BASE_URL"].replace("http", "ws", 1)


def messages(socket):
    return map(json.loads, socket)


def responses(socket, model: str = MODEL, **options):
    """The events of one answer; the socket stays open for the next."""
    socket.send(json.dumps({"type": "response.create", "model": model, "input": PROMPT} | options))
    for event in messages(socket):
        yield event
        if event["type"] in ("response.completed", "response.incomplete", "error"):
            return


def texts(events):
    return (event["delta"] for event in events if event["type"] == "response.output_text.delta")


@feature
def responses_streamed_text():
    with connect(f"{ADDRESS}/responses") as socket:
        return streamed(texts(responses(socket, SLOW)))


@feature
def responses_two_turns_on_one_socket():
    with connect(f"{ADDRESS}/responses") as socket:
        for _ in range(2):
            same("".join(texts(responses(socket))), TEXT)


@feature
def responses_error_leaves_the_socket_open():
    with connect(f"{ADDRESS}/responses") as socket:
        (refused,) = responses(socket, f"{MODEL};error=429")
        same((refused["type"], refused["status"]), ("error", 429))
        same("".join(texts(responses(socket))), TEXT)


@feature
def responses_cut_connection():
    with connect(f"{ADDRESS}/responses") as socket:
        first_three(texts(responses(socket, f"{MODEL};cut=3")), ConnectionClosed)


@feature
def plain_streamed_text():
    with connect(ADDRESS.removesuffix("/v1") + "/ws") as socket:
        socket.send(json.dumps({"prompt": PROMPT, "model": SLOW}))
        return streamed(tokens_of(socket))


@feature
def plain_stop_in_the_middle():
    with connect(ADDRESS.removesuffix("/v1") + "/ws") as socket:
        socket.send(json.dumps({"prompt": PROMPT, "model": SLOW}))
        came = tokens_of(socket)
        begun = [next(came) for _ in range(3)]
        socket.send(json.dumps({"stop": True}))
        rest = "".join([*begun, *came])
    assert TEXT.startswith(rest) and rest != TEXT, rest


def tokens_of(socket):
    for message in messages(socket):
        if "done" in message:
            return
        yield message["token"]


if __name__ == "__main__":
    report()
