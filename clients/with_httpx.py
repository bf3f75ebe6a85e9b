"""httpx, which knows nothing of language models: the bytes of a stream as they come, and what HTTP says about their end."""

from __future__ import annotations

import json
import os

import httpx

from expected import MODEL, PROMPT, SLOW
from report import feature_of, first_three, report, same, streamed

http = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=30)


def chat(model: str = MODEL, **options):
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]} | options
    return "/chat/completions", body


def responses(model: str = MODEL, **options):
    return "/responses", {"model": model, "input": PROMPT} | options


def events(path, body):
    """The data of each event. httpx reads lines; that an event here has one data line is what the services do."""
    with http.stream("POST", path, json=body | {"stream": True}) as answer:
        same((answer.status_code, answer.headers["content-type"]), (200, "text/event-stream; charset=utf-8"))
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield line.removeprefix("data: ")


def said_all(data: str) -> bool:
    return data == "[DONE]" or json.loads(data).get("type") == "response.completed"


def texts(path, body):
    for data in events(path, body):
        if data != "[DONE]":
            event = json.loads(data)
            yield event.get("delta") or "".join(c["delta"].get("content") or "" for c in event.get("choices", []))


@feature_of(chat, responses)
def streamed_text(api):
    return streamed(text for text in texts(*api(SLOW)) if isinstance(text, str))


@feature_of(chat, responses)
def error_before_the_stream(api):
    path, body = api(f"{MODEL};error=429", stream=True)
    answer = http.post(path, json=body)
    same((answer.status_code, answer.json()["error"]["type"]), (429, "rate_limit_error"))
    same(answer.headers["retry-after"], "2")


@feature_of(chat, responses)
def cut_connection(api):
    first_three(texts(*api(f"{MODEL};cut=3")), httpx.RemoteProtocolError)


@feature_of(chat, responses)
def broken_chunk(api):
    first_three(texts(*api(f"{MODEL};malformed=3")), httpx.RemoteProtocolError)


@feature_of(chat, responses)
def end_before_the_end(api):
    """A body that ends early but properly raises nothing: only the missing last event tells."""
    *_, early = events(*api(f"{MODEL};end=3"))
    *_, usual = events(*api())
    same([said_all(data) for data in (early, usual)], [False, True])


if __name__ == "__main__":
    report()
