"""Guards on streams whose pieces a reader can count: what is shown, and when, told by what was asked for meanwhile."""

import pytest

from course_utils.guards import GUARDS, check_at_end, hold_back, stream_first

CLEAN = list("abcdefgh")
BANNED = "cde"


def steps(guard, pieces, window: int) -> list[str]:
    """What a guard reads (lower case) and shows (upper case), in this order."""
    log: list[str] = []

    def source():
        for piece in pieces:
            log.append(piece.lower())
            yield piece

    for shown in guard(source(), BANNED, window):
        log.append(shown.upper())
    return log


def shown(guard, pieces, window: int) -> str:
    return "".join(guard(iter(pieces), BANNED, window))


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("window", [0, 1, 5, 100])
def test_a_harmless_answer_passes_whole(guard, window):
    assert shown(guard, "abxcdxe", window) == "abxcdxe"
    assert shown(guard, [], window) == ""


def test_stream_first_shows_each_piece_before_the_next_is_read():
    assert steps(stream_first, "abx", 2) == ["a", "A", "b", "B", "x", "X"]


def test_stream_first_leaks_the_phrase_and_a_window_behind_it():
    assert shown(stream_first, CLEAN, 0) == "abcde"
    assert shown(stream_first, CLEAN, 2) == "abcdefg"


def test_hold_back_shows_a_piece_when_a_window_more_has_come():
    assert steps(hold_back, "abx", 1) == ["a", "b", "A", "x", "B", "X"]


@pytest.mark.parametrize(("window", "screen"), [(0, "abcd"), (1, "abc"), (2, "ab"), (3, "a")])
def test_hold_back_leaks_nothing_from_one_piece_less_than_the_phrase_on(window, screen):
    assert shown(hold_back, CLEAN, window) == screen


def test_check_at_end_shows_nothing_until_everything_was_read():
    assert steps(check_at_end, "abx", 0) == ["a", "b", "x", "A", "B", "X"]
    assert shown(check_at_end, CLEAN, 0) == ""


@pytest.mark.parametrize("guard", [stream_first, hold_back], ids=["stream first", "hold back"])
def test_a_guard_that_has_found_the_phrase_asks_for_no_more(guard):
    read = [step for step in steps(guard, [*"abcde", *"z" * 50], 2) if step == "z"]
    assert len(read) <= 2


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("pieces", [["xCD", "Ey"], ["xcdey"], ["x", "c", "", "de", "y"]])
def test_the_phrase_is_found_in_any_case_and_however_it_is_cut(guard, pieces):
    assert not shown(guard, [*pieces, *"zzzz"], 2).endswith("zzzz")


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_an_error_of_the_stream_is_not_swallowed(guard):
    def broken():
        yield "a"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(guard(broken(), BANNED, 1))
