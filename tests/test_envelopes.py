"""Envelopes of real answers, and of one written by hand with boundaries that match nowhere."""

from itertools import pairwise

import pytest

from course_utils.carriers import overhear
from course_utils.envelopes import layers, locate, unwrap
from course_utils.line import Read
from course_utils.sse import Event

ASKED = {"stream": True, "messages": [{"role": "user", "content": "hello"}]}
EVENT = 'data: {"choices":[{"delta":{"content":"Née "}}]}\n\n'.encode()


def counts(model, reply="one two three four"):
    return unwrap(overhear("/v1/chat/completions", ASKED | {"model": model}, reply=reply)).counts()


@pytest.mark.parametrize(
    ("model", "reads", "chunks", "events"),
    [  # the finish reason and [DONE] are two events more, and leave together with the last token
        ("mock-1", 5, 7, 7),
        ("mock-1;pack=2", 3, 5, 5),
        ("mock-1;hold", 8, 7, 7),  # a fault keeps its pieces apart, and size 0 comes alone
    ],
)
def test_each_layer_is_counted_by_itself(model, reads, chunks, events):
    assert counts(model) == {"reads": reads, "HTTP chunks": chunks, "events": events, "tokens": 4}


def test_an_event_may_lie_in_two_chunks_and_a_chunk_in_two_reads():
    first, second = EVENT[:20], EVENT[20:] + b"data: [DONE]\n\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (first, second)) + b"0\r\n\r\n"
    raw = b"HTTP/1.1 200 OK\r\n\r\n" + body
    opened = unwrap([Read(0, raw[:30]), Read(1, raw[30:])])
    assert opened.chunks == (first, second)
    assert (opened.body, opened.texts) == (first + second, ("Née ",))
    assert opened.counts() == {"reads": 2, "HTTP chunks": 2, "events": 2, "tokens": 2}


def test_a_read_that_holds_the_head_only_is_not_one_of_the_body():
    raw = [b"HTTP/1.1 200 OK\r\n\r\n", b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"]
    assert unwrap([Read(0, data) for data in raw]).counts()["reads"] == 1


def test_a_body_without_its_last_chunk_is_told_from_a_whole_one():
    with pytest.raises(ValueError, match="after 3 HTTP chunks the last one, of size 0, is missing"):
        counts("mock-1;cut=2")


def test_the_layers_of_a_token_lie_in_each_other():
    opened = layers(b"33\r\n" + EVENT + b"\r\n")
    assert list(opened) == ["HTTP chunk", "event", "JSON", "token"]
    assert opened["event"] == EVENT
    assert opened["token"] == "Née ".encode()
    assert all(inner in outer for outer, inner in pairwise(opened.values()))


@pytest.mark.parametrize(
    ("wanted", "place"),
    [("Hi", "choices[0].delta.content in message"), ("stop", "end.why in done"), ("x", "list[1][0] in done")],
)
def test_a_text_is_located_by_its_path_and_its_event(wanted, place):
    events = [
        Event('{"choices": [{"delta": {"content": "Hi"}}]}'),
        Event('{"end": {"why": "stop"}, "list": [1, ["x"]]}', "done"),
        Event("[DONE]"),
    ]
    assert locate(events, wanted) == place


def test_what_is_nowhere_is_not_located():
    with pytest.raises(ValueError, match="no event says 'gone'"):
        locate([Event("[DONE]")], "gone")
