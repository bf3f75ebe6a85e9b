import httpx2
import openai
import pytest

from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import Chunk, record

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)
EVENT_STREAM = {"content-type": "text/event-stream"}


def mock() -> MockServer:
    return MockServer("one two", pace=PACE, clock=VirtualClock(start=8.0))


def ask(server: MockServer, **options):
    question = [{"role": "user", "content": "Count"}]
    with server.client() as client:
        request = {"model": server.model, "messages": question} | options
        return record(client.chat.completions.create, clock=server.clock, **request)


def ask_of(body: bytes):
    """What the real client makes of a server that sends these bytes."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=body, headers=EVENT_STREAM))
    with openai.OpenAI(api_key="x", base_url="http://x", http_client=httpx2.Client(transport=transport)) as client:
        return record(client.chat.completions.create, model="m", messages=[], stream=True, clock=VirtualClock())


def test_a_stream_is_recorded_from_the_moment_of_sending():
    timeline = ask(mock(), stream=True)
    assert timeline.headers_at == 0.25
    assert timeline.chunks == (Chunk(0.25), Chunk(0.5, "one"), Chunk(0.75, " two"), Chunk(0.75))
    assert (timeline.text, timeline.tokens, timeline.finish_reason) == ("one two", 2, "stop")


def test_a_usage_chunk_without_choices_is_recorded_and_its_count_believed():
    timeline = ask(mock(), stream=True, stream_options={"include_usage": True})
    assert len(timeline.chunks) == 5
    assert timeline.reported_tokens == 2


def test_a_unary_answer_is_one_chunk_at_the_end():
    timeline = ask(mock())
    assert timeline.chunks == (Chunk(0.75, "one two"),)
    assert not timeline.streamed
    assert timeline.tokens == 2


def test_echo_prints_the_text_as_it_comes(capsys):
    ask(mock(), stream=True, echo=True)
    assert capsys.readouterr().out == "one two\n"


def test_a_stream_that_breaks_off_leaves_what_had_come_with_its_error():
    server = mock()
    with pytest.raises(openai.APIConnectionError) as raised:
        ask(server, stream=True, model=f"{server.model};cut=1")
    assert raised.value.timeline.text == "one"
    assert raised.value.timeline.finish_reason is None


def test_of_several_answers_the_first_is_recorded():
    from types import SimpleNamespace as Object

    def choice(index, text):
        return Object(index=index, delta=Object(content=text), finish_reason=None)

    class Stream(list):
        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

    chunks = Stream(Object(choices=[choice(1, "B"), choice(0, "A")], usage=None) for _ in range(2))
    assert record(lambda: chunks, clock=VirtualClock()).text == "AA"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_that_is_streamed_beside_the_answer_is_kept_apart(name):
    body = b'{"choices":[{"index":0,"delta":{"%s":"Hm"}}]}' % name.encode()
    timeline = ask_of(b"data: " + body + b"\n\ndata: [DONE]\n\n")
    assert [(chunk.text, chunk.hidden) for chunk in timeline.chunks] == [("", "Hm")]
    assert timeline.tokens == 1


def test_the_usage_says_what_was_cached_and_belongs_to_no_answer():
    usage = b'{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10%s}'
    for details, cached in ((b',"prompt_tokens_details":{"cached_tokens":8}', 8), (b"", None)):
        last = b'data: {"choices":[],"usage":' + usage % details + b"}\n\n"
        timeline = ask_of(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n' + last + b"data: [DONE]\n\n")
        assert timeline.cached_tokens == cached
        assert [chunk.choices for chunk in timeline.chunks] == [True, False]
