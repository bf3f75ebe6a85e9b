import pytest

from course_utils import frames
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
    with pytest.raises(ValueError, match="size must be at least 1, got size=0"):
        page_buffer(0)


TAIL = [*FRAMES, Frame(0.75, b"done")]


def ending(bent) -> tuple[str, str]:
    return bent[-1].ending.kind, bent[-1].ending.fault


def test_a_cut_keeps_what_left_up_to_its_token():
    bent = frames.cut(1)(TAIL)
    assert [frame.data for frame in bent] == [b"role", b"one", b""]
    assert ending(bent) == ("cut", "cut")


def test_a_cut_after_the_last_token_still_loses_the_tail():
    assert [frame.data for frame in frames.cut(2)(TAIL)] == [b"role", b"one", b"two", b""]


def test_a_cut_before_the_first_token_leaves_the_role():
    assert [frame.data for frame in frames.end_early(0)(TAIL)] == [b"role", b""]


def test_a_cut_beyond_the_end_changes_nothing():
    assert frames.cut(3)(TAIL) == TAIL


def test_a_stall_delays_what_follows_its_token():
    assert [frame.at for frame in frames.stall(1, 4)(TAIL)] == [0.25, 0.5, 4.75, 4.75]


def test_an_idle_cut_falls_when_its_patience_ends():
    bent = frames.idle_cut(2)(frames.stall(1, 4)(TAIL))
    assert (bent[-1].at, ending(bent)) == (2.5, ("cut", "idle"))


def test_a_heartbeat_fills_silence_and_only_silence():
    bent = frames.heartbeat(1)(frames.stall(1, 4)(TAIL))
    assert [frame.at for frame in bent if frame.data.startswith(b":")] == [1.5, 2.5, 3.5, 4.5]
    assert frames.heartbeat(1)(TAIL) == TAIL


def test_a_bundle_waits_for_its_last_token():
    assert [(frame.at, frame.data, frame.tokens) for frame in frames.bundle(2)(TAIL)] == [
        (0.25, b"role", 0),
        (0.75, b"onetwo", 2),
        (0.75, b"done", 0),
    ]


def test_split_cuts_bytes_and_counts_the_token_once():
    bent = frames.split(2)(TAIL)
    assert max(len(frame.data) for frame in bent) == 2
    assert sum(frame.tokens for frame in bent) == 2


def test_split_utf8_sends_the_second_half_of_a_character_later():
    bent = frames.split_utf8(0.125)([Frame(1.0, "aéb".encode(), 1), Frame(1.0, b"c")])
    assert [(frame.at, frame.data) for frame in bent] == [(1.0, b"a\xc3"), (1.125, b"\xa9b"), (1.125, b"c")]


def test_gzip_holds_a_short_answer_to_its_end_unless_it_flushes():
    assert len(frames.gzip()(TAIL)) < len(TAIL) <= len(frames.gzip(flush=True)(TAIL))


def test_a_chunk_that_says_nothing_comes_behind_the_finish_reason_at_the_same_moment():
    bent = frames.silent_last()([Frame(0.5, b'{"finish_reason":null}'), Frame(1.0, b'{"finish_reason":"stop"}')])
    assert [(frame.at, frame.data[17:-1]) for frame in bent] == [(0.5, b"null"), (1.0, b'"stop"'), (1.0, b"null")]


@pytest.mark.parametrize("fault", [frames.cut, frames.malformed, frames.idle_cut, frames.slow_start])
def test_a_position_or_time_below_zero_is_refused(fault):
    with pytest.raises(ValueError, match="must be at least 0"):
        fault(-1)


def test_no_fault_makes_time_run_backwards():
    everything = [
        frames.stall(1, 2),
        frames.bundle(2),
        frames.heartbeat(0.5),
        frames.split(3),
        frames.split_utf8(),
        frames.gzip(True),
    ]
    times = [frame.at for frame in apply(everything, TAIL)]
    assert times == sorted(times)
