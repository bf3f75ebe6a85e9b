import pytest

from course_utils.frames import Frame, apply, hold_all, page_buffer

FRAMES = [Frame(0.25, b"role"), Frame(0.5, b"one", tokens=1), Frame(0.75, b"two", tokens=1)]


def test_hold_all_releases_the_same_pieces_at_the_end():
    held = hold_all()(FRAMES)
    assert [frame.data for frame in held] == [b"role", b"one", b"two"]
    assert [frame.at for frame in held] == [0.75, 0.75, 0.75]


def test_hold_all_can_pretend_to_stream():
    assert [frame.at for frame in hold_all(release=0.5)(FRAMES)] == [0.75, 1.25, 1.75]


def test_a_page_buffer_passes_on_full_pages_and_the_rest_at_the_end():
    pages = page_buffer(5)(FRAMES)
    assert [(page.at, page.data) for page in pages] == [(0.5, b"roleo"), (0.75, b"netwo")]
    assert sum(page.tokens for page in pages) == 2


def test_a_part_filled_page_leaves_at_the_end():
    assert [page.data for page in page_buffer(8)(FRAMES)] == [b"roleonet", b"wo"]


def test_faults_change_no_byte_of_the_body():
    bent = apply([page_buffer(3), hold_all()], FRAMES)
    assert b"".join(frame.data for frame in bent) == b"roleonetwo"


def test_faults_accept_an_answer_without_frames():
    assert apply([hold_all(), page_buffer()], []) == []


def test_a_page_holds_at_least_one_byte():
    with pytest.raises(ValueError, match="size=0"):
        page_buffer(0)
