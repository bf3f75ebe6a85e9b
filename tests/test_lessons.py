"""The numbers that stand in the prose of lessons are those that the code gives."""

import re
from pathlib import Path

import pytest

from course_utils import metrics
from course_utils.lanes import race
from course_utils.replies import SCRIPT, tokens

SOURCE = Path(__file__).resolve().parent.parent / "source/lessons"


def prose(name: str) -> str:
    lines = (SOURCE / name).read_text("utf-8").splitlines()
    return " ".join(
        line.removeprefix("#").strip() for line in lines if line.startswith("#") and not line.startswith("# %%")
    )


@pytest.fixture(scope="module")
def lesson_1() -> str:
    return prose("01_why_streaming_matters.py")


def stated(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"the lesson does not say {pattern!r}"
    return found.group(1)


def test_the_answer_has_the_tokens_lesson_1_says(lesson_1):
    assert int(stated(r"its answer has (\d+) tokens", lesson_1)) == len(tokens(SCRIPT["sky"]))


def test_the_reader_reads_as_fast_as_lesson_1_says(lesson_1):
    assert int(stated(r"read about (\d+) English words", lesson_1)) == metrics.WORDS_PER_MINUTE
    assert stated(r"([\d.]+) tokens a second\.", lesson_1) == f"{metrics.READING_SPEED:.1f}"


def test_the_imitation_comes_when_lesson_1_says(lesson_1):
    fake = race(10).timelines["fake stream"]
    assert stated(r"all of them within ([\d.]+) s", lesson_1) == f"{metrics.e2e(fake) - metrics.ttfv(fake):.2f}"
    assert stated(r"after ([\d.]+) s of nothing", lesson_1) == f"{metrics.ttfv(fake):.1f}"


def test_the_first_chunk_comes_in_a_tenth_of_the_wait(lesson_1):
    streamed = race(10).timelines["streamed"]
    assert "reports a tenth of the wait" in lesson_1
    assert metrics.ttfc(streamed) == metrics.ttfv(streamed) / 10


def test_streaming_saves_nearly_half_at_the_readers_own_pace(lesson_1):
    run = race(metrics.READING_SPEED)
    assert "nearly half" in lesson_1
    assert 0.45 < run.saved / run.finished("unary") < 0.5
    assert race(200).saved / race(200).finished("unary") < 0.05
