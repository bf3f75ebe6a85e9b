from course_utils import sse


def test_an_event_ends_with_a_blank_line():
    assert sse.event("{}") == b"data: {}\n\n"


def test_text_with_newlines_becomes_several_data_lines():
    assert sse.event("one\ntwo") == b"data: one\ndata: two\n\n"
