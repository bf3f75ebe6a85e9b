"""The reader against the standard: its own examples (WHATWG HTML §9.2.6), its rules, and every way to cut the bytes."""

from itertools import pairwise

import hypothesis
import hypothesis.strategies as st
import pytest

from course_utils import sse
from course_utils.sse import Decoder, Event, decode


def read(raw: bytes) -> list[Event]:
    return list(decode([raw]))


def data(raw: bytes) -> list[str]:
    return [event.data for event in read(raw)]


def test_an_event_ends_with_a_blank_line():
    assert sse.event("{}") == b"data: {}\n\n"


def test_text_with_newlines_becomes_several_data_lines():
    assert sse.event("one\ntwo") == b"data: one\ndata: two\n\n"


def test_type_id_and_retry_stand_before_the_data():
    assert sse.event("x", type="delta", id="7", retry=250) == b"event: delta\nid: 7\nretry: 250\ndata: x\n\n"


@pytest.mark.parametrize("field", [{"type": "a\nb"}, {"id": "a\rb"}, {"id": "a\0b"}])
def test_a_field_that_would_break_the_framing_is_refused(field):
    with pytest.raises(ValueError, match="must be one line"):
        sse.event("x", **field)


def test_the_stock_example_of_the_standard():
    assert read(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [Event("YHOO\n+2\n10")]


def test_the_four_block_example_of_the_standard():
    raw = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert read(raw) == [Event("first event", id="1"), Event("second event"), Event(" third event")]


def test_the_data_without_a_colon_example_of_the_standard():
    assert data(b"data\n\ndata\ndata\n\ndata:") == ["", "\n"]


def test_the_optional_space_example_of_the_standard():
    assert data(b"data:test\n\ndata: test\n\n") == ["test", "test"]


def test_only_one_leading_space_is_framing():
    assert data(b"data:  two\n\n") == [" two"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_line_end_of_the_standard_ends_a_line(end):
    assert data(b"data: a" + end + b"data: b" + end + end + b"data: c" + end + end) == ["a\nb", "c"]


def test_a_crlf_cut_in_two_is_one_line_end():
    decoder = Decoder()
    pieces = [b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n"]
    assert [event for piece in pieces for event in decoder.feed(piece)] == [Event("a\nb")]


def test_an_event_is_delivered_at_the_first_byte_that_ends_it():
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\n\r") == [Event("a")]
    assert decoder.feed(b"\ndata: b\r\r") == [Event("b")]


def test_one_byte_order_mark_is_dropped_and_a_second_is_not():
    assert data("\ufeffdata: a\n\n".encode()) == ["a"]
    assert data("\ufeff\ufeffdata: a\n\n".encode()) == []


def test_comments_deliver_nothing():
    assert data(b": ping\n\n:\n\ndata: a\n: in between\ndata: b\n\n") == ["a\nb"]


def test_only_the_first_colon_separates():
    assert data(b"data: http://a:1\n\n") == ["http://a:1"]


def test_unknown_fields_are_ignored():
    assert data(b"Data: a\n data: b\ndata : c\nfoo: d\ndata: e\n\n") == ["e"]


def test_an_event_without_data_is_none_and_forgets_its_type():
    assert read(b"event: ping\n\ndata: a\n\n") == [Event("a")]


def test_an_empty_data_line_makes_an_event_with_empty_data():
    assert data(b"data:\n\ndata\n\ndata:\ndata:\n\n") == ["", "", "\n"]


def test_a_heartbeat_after_an_id_yields_no_event_and_keeps_the_id():
    assert read(b"id: 3\n\n: ping\n\ndata: a\n\n") == [Event("a", id="3")]


def test_an_id_stays_until_the_next_and_can_be_emptied():
    assert [event.id for event in read(b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")] == ["1", "1", ""]


def test_an_id_with_nul_is_ignored():
    assert read(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n")[1].id == "1"


def test_the_id_of_an_unfinished_event_is_not_the_last_one():
    decoder = Decoder()
    decoder.feed(b"id: 1\ndata: a\n\nid: 2\nda")
    assert decoder.last_id == "1"
    decoder.feed(b"ta: b\n\nid: 3\n\n")
    assert decoder.last_id == "3"


@pytest.mark.parametrize(
    ("value", "kept"), [(b"10", 10), (b"", None), (b"1.5", None), (b"-1", None), ("٣".encode(), None)]
)
def test_retry_is_ascii_digits_only(value, kept):
    decoder = Decoder()
    decoder.feed(b"retry: " + value + b"\n\n")
    assert decoder.retry == kept


def test_an_unfinished_last_event_is_thrown_away():
    assert data(b"data: a\n\ndata: b\n") == ["a"]


def test_invalid_utf_8_becomes_a_replacement_character():
    assert data(b"data: a\xffb\n\n") == ["a\ufffdb"]


SAMPLE = "\ufeff: hi\r\nid: 1\r\ndata: é🎉\r\ndata:  b\r\n\r\nevent: x\rdata: c\r\rretry: 5\n\ndata\ndata\n\ndata: lost".encode()


def test_one_byte_at_a_time_reads_the_same():
    assert list(decode(bytes([byte]) for byte in SAMPLE)) == read(SAMPLE)


def test_every_cut_in_two_reads_the_same():
    assert all(list(decode([SAMPLE[:cut], SAMPLE[cut:]])) == read(SAMPLE) for cut in range(len(SAMPLE)))


@hypothesis.given(
    st.lists(st.sampled_from([b"data", b"id", b"event", b":", b" ", b"\n", b"\r", b"\r\n", b"x", "é".encode()])),
    st.data(),
)
def test_any_bytes_read_the_same_under_any_cuts(parts, draw):
    raw = b"".join(parts)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    edges = [0, *cuts, len(raw)]
    assert list(decode(raw[a:b] for a, b in pairwise(edges))) == read(raw)


@hypothesis.given(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), min_size=1))
def test_what_is_written_is_read_again(text):
    assert data(sse.event(text)) == [text]


def test_a_comment_is_read_as_nothing():
    assert data(sse.comment("keep-alive") + sse.event("a")) == ["a"]
