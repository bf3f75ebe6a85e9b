"""What is remembered between requests: answers, whole or in the making, and the beginnings of prompts."""

import pytest

from course_utils import kept
from course_utils.dialect import Asked, Said
from course_utils.frames import Frame
from course_utils.kept import BLOCK, Job, Kept, PrefixCache

FRAMES = tuple(Frame(at, name.encode(), 1) for at, name in [(0.5, "a"), (1.0, "b"), (1.5, "c"), (2.0, "d")])


def job(id: str = "1", text: str = "Hi", frames: tuple[Frame, ...] = FRAMES, asked_bytes: int = 0) -> Job:
    """An answer that was asked for at 10 s."""
    return Job(Asked("mock-1", (text,)), Said(id, ()), frames, 10.0, asked_bytes)


def rest(one: Job, after: int, now: float) -> list[tuple[float, bytes]]:
    return [(frame.at, frame.data) for frame in one.rest(after, now)]


@pytest.mark.parametrize(
    ("now", "status"), [(10.0, "queued"), (10.5, "in_progress"), (11.75, "in_progress"), (12.0, "ended")]
)
def test_a_job_waits_works_and_ends_with_its_frames(now, status):
    assert job().status(now) == status


def test_a_cancelled_job_stays_so():
    one = job()
    one.cancel(11.0)
    one.cancel(11.5)
    assert (one.status(11.0), one.status(60.0), one.fate.stopped) == ("cancelled", "cancelled", 11.0)


def test_a_job_that_is_over_can_not_be_cancelled():
    one = job()
    one.cancel(12.0)
    assert (one.status(12.0), one.fate.stopped) == ("ended", None)


def test_a_job_whose_client_left_has_its_own_name():
    one = job()
    one.fate.stopped = 11.0
    assert one.status(60.0) == "left"


def test_what_is_over_comes_at_once_and_the_rest_when_it_was_due():
    assert rest(job(), 0, 11.25) == [(0.0, b"b"), (0.25, b"c"), (0.75, b"d")]
    assert rest(job(), -1, 10.0) == [(frame.at, frame.data) for frame in FRAMES]
    assert rest(job(), 3, 11.25) == rest(job(), 99, 11.25) == []


def test_of_a_cancelled_job_what_was_made_is_there():
    one = job()
    one.cancel(11.5)
    assert rest(one, 0, 60.0) == [(0.0, b"b"), (0.0, b"c")]


def test_a_moment_that_binary_floats_blur_is_still_before_the_end():
    one = Job(Asked("mock-1", ("Hi",)), Said("1", ()), (Frame(0.6, b"a"), Frame(9, b"b")), 0.3)
    one.cancel(0.3 + 0.6)
    assert [frame.data for frame in one.rest(-1, 1.0)] == [b"a"]


def test_the_oldest_answers_are_forgotten_beyond_a_number(monkeypatch):
    monkeypatch.setattr(kept, "MOST_ANSWERS", 3)
    answers = Kept()
    for number in range(5):
        answers.keep(job(str(number)))
    assert [bool(answers.find(str(number))) for number in range(5)] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "large",
    [
        {"text": "x" * 400},
        {"frames": tuple(Frame(0.0, b"x" * 100) for _ in range(4))},
        {"asked_bytes": 400},
    ],
)
def test_the_oldest_answers_are_forgotten_beyond_their_bytes(monkeypatch, large):
    monkeypatch.setattr(kept, "MOST_BYTES", 1000)
    answers = Kept()
    for number in range(3):
        answers.keep(job(str(number), **large))
    assert [bool(answers.find(str(number))) for number in range(3)] == [False, True, True]
    answers.forget("2")
    answers.keep(job("3", **large))
    assert answers.find("1")


def test_the_last_answer_is_kept_however_large(monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 1000)
    answers = Kept()
    answers.keep(job("1"))
    answers.keep(job("2", asked_bytes=5000))
    assert (answers.find("1"), bool(answers.find("2"))) == (None, True)


def words(count: int, word: str = "word") -> str:
    """A text of ``count`` tokens."""
    return " ".join([word] * count)


@pytest.mark.parametrize(
    ("first", "second", "cached"),
    [
        ([words(40)], [words(40)], 32),
        ([words(BLOCK)], [words(BLOCK)], 16),
        ([words(BLOCK - 1)], [words(BLOCK - 1)], 0),
        ([words(40)], [words(20)], 16),
        ([words(20)], [words(40)], 16),
        ([words(40)], [words(40), words(40, "more")], 32),
        ([words(32), words(32, "then")], [words(32), words(32, "else")], 32),
        ([words(40)], ["else " + words(40)], 0),
        ([words(16, "a") + " " + words(16, "b")], [words(16, "b") + " " + words(16, "a")], 0),
    ],
)
def test_the_same_beginning_is_cached_in_whole_blocks(first, second, cached):
    cache = PrefixCache()
    assert cache.read(first) == 0
    assert cache.read(second) == cached


def test_a_block_counts_only_behind_the_same_blocks():
    cache = PrefixCache()
    cache.read([words(16, "a") + " " + words(16, "b")])
    cache.read([words(16, "c") + " " + words(16, "b")])
    assert cache.read([words(16, "c") + " " + words(16, "b") + " " + words(16, "d")]) == 32
    assert cache.read([words(16, "d") + " " + words(16, "b")]) == 0


def test_the_oldest_blocks_are_forgotten():
    cache = PrefixCache(blocks=2)
    cache.read([words(16, "a")])
    cache.read([words(16, "b")])
    assert cache.read([words(16, "a")]) == 16  # used again, so the other one is now the oldest
    cache.read([words(16, "c")])
    assert (cache.read([words(16, "a")]), cache.read([words(16, "b")])) == (16, 0)


def test_behind_a_block_that_was_forgotten_nothing_counts():
    cache = PrefixCache(blocks=2)
    cache.read([words(32, "a")])
    cache.read([words(16, "b")])
    assert cache.read([words(32, "a")]) == 0
