"""The numbers that stand in the prose of lessons are those that the code gives."""

import re
from pathlib import Path

import pytest

from course_utils import metrics
from course_utils.checks import exercises
from course_utils.lanes import race
from course_utils.lm import weights
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


@pytest.fixture(scope="module")
def lesson_2() -> tuple[str, str]:
    """Its prose, and its code."""
    name = "02_token_by_token_generation.py"
    return prose(name), (SOURCE / name).read_text("utf-8")


def test_the_model_of_lesson_2_is_as_large_as_it_says(lesson_2):
    numbers = sum(rows * columns for _, (rows, columns) in weights.shapes())
    assert "a million numbers" in lesson_2[0]
    assert 0.9e6 < numbers < 1.1e6
    card = (Path(weights.__file__).parent / "MODEL_CARD.md").read_text("utf-8")
    assert "a few thousand small dialogues" in lesson_2[0]
    assert 2000 < int(stated(r"- ([\d,]+) short dialogues", card).replace(",", "")) < 5000


def test_lesson_2_counts_the_tokens_it_speaks_of(lesson_2):
    text, code = lesson_2
    prompt = int(stated(r"A prompt of (\d+) tokens", text))
    new = int(stated(r"tokens, (\d+) new ones", text))
    assert f"[:{prompt}]" in code
    assert f"generate(prompt, {new}, cache=cache)" in code
    assert "three tokens in one chunk" in text
    assert "pack=3" in code


def test_the_core_exercises_of_lesson_2_take_the_minutes_it_says(lesson_2):
    core = [one for one in exercises().values() if one.id.startswith("2.") and one.core]
    assert sum(one.minutes for one in core) == int(stated(r"(\d+) minutes of core exercises", lesson_2[0]))
    assert stated(r": (2\.\d and 2\.\d) are the core", lesson_2[0]) == " and ".join(one.id for one in core)
