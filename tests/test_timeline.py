from course_utils.clock import VirtualClock
from course_utils.mock import MockServer
from course_utils.pace import Pace
from course_utils.timeline import Chunk, record

PACE = Pace(headers=0.25, ttft=0.5, itl=0.25)


def mock() -> MockServer:
    return MockServer("one two", pace=PACE, clock=VirtualClock(start=8.0))


def ask(server: MockServer, **options):
    question = [{"role": "user", "content": "Count"}]
    with server.client() as client:
        return record(
            client.chat.completions.create, model=server.model, messages=question, clock=server.clock, **options
        )


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
