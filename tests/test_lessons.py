"""The numbers that stand in the prose of lessons are those that the code gives."""

import asyncio
import dataclasses
import inspect
import json
import re
import statistics
from pathlib import Path

import anyio.to_thread
import fastapi.sse
import pytest

from course_utils import decision, deployments, eventsource, intervals, lanes, leakage, metrics, proxy, seats, twins
from course_utils.carriers import carry, overhear
from course_utils.checks import exercises
from course_utils.envelopes import unwrap
from course_utils.intervals import interval
from course_utils.lanes import race
from course_utils.lm import weights
from course_utils.metrics import BEYOND
from course_utils.pace import Pace
from course_utils.replies import SCRIPT, tokens

CORE = 45
"""The minutes of a lesson's core, with its exercises."""

SOURCE = Path(__file__).resolve().parent.parent / "source/lessons"


def prose(name: str) -> str:
    lines = (SOURCE / name).read_text("utf-8").splitlines()
    return " ".join(
        line.removeprefix("#").strip() for line in lines if line.startswith("#") and not line.startswith("# %%")
    )


def stored(name: str, cell: str) -> str:
    """What a cell of a built lesson has printed."""
    notebook = json.loads((SOURCE.parent.parent / f"lessons/{name}.ipynb").read_text("utf-8"))
    found = next(each for each in notebook["cells"] if each["id"] == cell)
    return "".join("".join(output.get("text", "")) for output in found["outputs"])


def both(name: str) -> tuple[str, str]:
    """The prose of a lesson, and all of its source."""
    return prose(name), (SOURCE / name).read_text("utf-8")


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
    return both("02_token_by_token_generation.py")


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


@pytest.mark.parametrize(("number", "lesson"), [(2, "lesson_2"), (3, "lesson_3"), (4, "lesson_4")])
def test_the_core_exercises_of_a_lesson_take_the_minutes_it_says(request, number, lesson):
    text, _ = request.getfixturevalue(lesson)
    core = [one for one in exercises().values() if one.id.startswith(f"{number}.") and one.core]
    exercised = sum(one.minutes for one in core)
    assert int(stated(r"(\d+) minutes of core exercises", text)) == exercised
    assert int(stated(r"(\d+) minutes to read and try", text)) + exercised <= CORE
    assert stated(r": (\d\.\d and \d\.\d) are the core", text) == " and ".join(one.id for one in core)


@pytest.mark.parametrize("name", ["03_transport_mechanisms", "04_streaming_tradeoffs"])
def test_the_exercises_of_a_lesson_say_the_minutes_of_each(name):
    text = (SOURCE.parent / f"exercises/{name}.py").read_text("utf-8")
    said = re.findall(r"## (\d\.\d) .*\((\d+) minutes, (core|further)\)", text)
    number = name[1]
    mine = [one for one in exercises().values() if one.id.startswith(f"{number}.")]
    assert said == [(one.id, str(one.minutes), "core" if one.core else "further") for one in mine]


def test_a_compressor_of_the_framework_does_not_hear_of_the_header_and_that_of_the_proxy_does(lesson_3):
    """What lesson 3 says of its own proxy, and of that of exercise 3.4."""
    assert "one in your framework comes before the proxy, and never hears of it (exercise 3.4)" in lesson_3[0]
    held = proxy.Proxy(http10=True, buffering=True, gzip=True, hint=False)
    assert metrics.ttfv(dataclasses.replace(held, hint=True).deliver()) < 1 < metrics.ttfv(held.deliver())
    second = deployments.EXAMPLES[1]
    assert second(["no_buffering"])["proxy"][0] > 5 > second(["no_compression"])["compressor"][0]


@pytest.fixture(scope="module")
def lesson_4() -> tuple[str, str]:
    return both("04_streaming_tradeoffs.py")


def test_lesson_4_breaks_its_answer_where_it_says(lesson_4):
    text, code = lesson_4
    assert int(stated(r"after \d+ of its (\d+) tokens", text)) == len(tokens(SCRIPT["sky"]))
    place = stated(r"after (\d+) of its", text)
    assert [f";{fault}={place}" in code for fault in ("error-at", "cut", "end")] == [True] * 3


def test_the_phrase_of_lesson_4_has_the_tokens_it_says(lesson_4):
    phrase = len(tokens(f" {leakage.BANNED}"))
    assert int(stated(r"The phrase has (\d+) tokens", lesson_4[0])) == phrase == 12
    assert "it lies across twelve" in lesson_4[0]
    assert leakage.leaks(phrase - 2)["hold back"].leaked
    assert not leakage.leaks(phrase - 1)["hold back"].leaked


def test_the_card_of_lesson_4_takes_the_time_it_says(lesson_4):
    text, code = lesson_4
    reply = stated(r'(?s)reply = """(.*?)"""', code).replace("\n", "")
    card = lanes.deliver(Pace(ttft=0.5, itl=0.05), reply=reply)
    assert "The whole card takes almost four seconds" in text
    assert 3.5 < metrics.e2e(card) < 4
    first, last = re.findall(r"\d+", stored("04_streaming_tradeoffs", "04-population").replace(",", ""))
    assert "A hundred times too small" in text
    assert int(last) // int(first) == 100


def test_the_answers_of_the_clinic_have_the_same_length(lesson_4):
    answers = re.findall(r'^    "(\w.*\.)",$', lesson_4[1], re.MULTILINE)
    assert len(answers) == 3
    assert len({len(answer) for answer in answers}) == 1
    assert len({tuple(len(token) for token in tokens(answer)) for answer in answers}) == 3


def test_the_time_out_of_lesson_4_is_shorter_than_the_answer(lesson_4):
    assert "a time-out of one second, and the answer takes two and a half" in lesson_4[0]
    assert "timeout=1.0" in lesson_4[1]
    assert metrics.e2e(lanes.deliver(Pace(ttft=0.5, itl=0.05))) == pytest.approx(2.5, abs=0.1)


@pytest.fixture(scope="module")
def lesson_3() -> tuple[str, str]:
    return both("03_transport_mechanisms.py")


def test_lesson_3_speaks_of_the_paces_and_trips_that_it_sets(lesson_3):
    text, code = lesson_3
    trip, first = stated(r"a round trip takes ([\d.]+) s", text), stated(r"token takes the model ([\d.]+) s", text)
    assert f"pace=Pace(ttft={first}, itl=0.1), rtt={trip}" in code
    assert "SSE needs one for TCP's handshake, one for that of TLS, one for the request" in text
    assert metrics.ttfv(carry("SSE", pace=Pace(ttft=float(first)), rtt=float(trip))) == 0.8
    pieces = stated(r"in pieces of (\d+) bytes", text)
    assert f"mock-1;split={pieces}" in code
    assert "three tokens to an event (`pack`), three events to a write (`bundle`)" in text
    assert '"mock-1;pack=3", "mock-1;bundle=3"' in code


def test_the_answer_that_lesson_3_shakes_is_as_short_as_it_says(lesson_3):
    text, code = lesson_3
    most = stated(r"A read has (\d+) bytes at most; the answer has not even half", text)
    assert f"most={most}" in code
    question = [{"role": "user", "content": "hello"}]
    asked = {"model": "mock-1", "stream": True, "max_completion_tokens": 5, "messages": question}
    obfuscated = {"stream_options": {"include_obfuscation": False}}
    assert len(unwrap(overhear("/v1/chat/completions", asked | obfuscated)).body) < int(most) / 2


def test_the_answer_that_is_billed_again_and_again_is_as_lesson_3_says(lesson_3):
    text, code = lesson_3
    reply, first, gap = re.search(r'MockServer\("(.*)", pace=Pace\(ttft=(.*), itl=([\d.]+)\)', code).groups()
    count = int(stated(r"An answer has (\d+) tokens", text))
    assert len(tokens(reply)) == count
    assert stated(r"is complete after (\d+) s", text) == f"{float(first) + (count - 1) * float(gap):g}"
    assert "it waits, as Chromium does, three seconds" in text
    assert eventsource.RETRY == 3


def test_the_limits_that_lesson_3_names_are_those_of_others(lesson_3):
    text, _ = lesson_3

    async def threads():
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert int(stated(r"holds one of (\d+) threads", text)) == asyncio.run(threads())
    assert float(stated(r"FastAPI sends a comment each (\d+) seconds", text)) == fastapi.sse._PING_INTERVAL
    assert int(stated(r"pages of (\d+) bytes", text)) == proxy.PAGE


def test_the_proxy_of_lesson_3_has_as_many_positions_as_it_says(lesson_3):
    assert "four switches" in lesson_3[0]
    assert "sixteen positions" in lesson_3[0]
    assert len(dataclasses.fields(proxy.Proxy)) == 4


@pytest.fixture(scope="module")
def lesson_5() -> tuple[str, str]:
    return both("05_first_token_latency.py")


def rows_of(cell: str) -> list[list[float]]:
    """The numbers that a cell of lesson 5 has printed, line by line, without its head."""
    lines = stored("05_first_token_latency", cell).splitlines()
    return [[float(number) for number in re.findall(r"[\d.]+\d", line)] for line in lines if re.search(r"\d\.\d", line)]


def test_the_thinker_of_lesson_5_keeps_the_pace_it_says(lesson_5):
    text, code = lesson_5
    thoughts = stated(r"streams (\d+) tokens of reasoning", text)
    assert f"reasoning={thoughts};aloud" in code
    first, step = stated(r"comes after ([\d.]+) seconds, each", text), stated(r"each further one ([\d.]+) later", text)
    assert f"ttft={first}, itl={step})" in code
    assert f"which is {step} seconds a token" in text


def test_the_distance_and_the_prompt_of_lesson_5_are_those_it_says(lesson_5):
    text, code = lesson_5
    assert f"rtt={stated(r'users are ([0-9.]+) seconds away', text)}," in code
    assert f'"word " * {stated(r"a prompt of ([0-9,]+) words", text).replace(",", "")}' in code
    waits = re.findall(r"first text after ([\d.]+) s", stored("05_first_token_latency", "05-twins"))
    assert "You can't tell" in text
    assert float(waits[0]) == pytest.approx(float(waits[1]), abs=0.02)


def test_the_house_of_lesson_5_has_the_seats_it_says(lesson_5):
    text, code = lesson_5
    house = seats.HOUSE
    full = house.ttft + 4 * house.itl * (1 + house.batch * (house.slots - 1))
    assert len(tokens(seats.REPLY)) == 5
    assert ("has eight seats" in text, house.slots) == (True, 8)
    assert float(stated(r"Alone you get the first token after ([\d.]+) seconds", text)) == house.ttft
    assert float(stated(r"a full house takes ([\d.]+) seconds", text)) == pytest.approx(full, abs=0.05)
    assert int(stated(r"first token with (\d+) users", text)) == [1, 4, 8, 12, 16, 24, 32][4]
    assert "(1, 4, 8, 12, 16, 24, 32)" in code
    flat = int(stated(r"from (\d+) requests on the pace no longer changes", text))
    assert len({pace for users, (_, pace) in seats.PUBLISHED.items() if users >= flat}) == 1


def test_a_quarter_meets_the_freeze_of_lesson_5_and_the_closed_loop_counts_it_once_each(lesson_5):
    text, code = lesson_5
    assert "stands still for one second in every four" in text
    assert "freeze=4:1" in code
    assert f"rate={stated(r'sends ([0-9]+) requests a second', text)}," in code
    closed, opened = re.findall(r"(\d+) dots, (\d+) of them", stored("05_first_token_latency", "05-slow-ones"))
    assert int(closed[1]) == 12 / 4
    assert int(opened[1]) / int(opened[0]) == pytest.approx(0.25, abs=0.02)
    assert stored("05_first_token_latency", "05-closed").split()[-2] == stated(r"answers in ([\d.]+) seconds", text)


def test_small_tests_waver_and_are_too_kind_as_lesson_5_says(lesson_5):
    text = lesson_5[0]
    small = rows_of("05-twenty")
    assert "this or twice that" in text
    assert max(p99 for _, _, p99, _ in small) > 2 * min(p99 for _, _, p99, _ in small)
    assert "it *is* the maximum" in text
    assert all(p99 == most and mean > p50 for mean, p50, p99, most in small)
    line = stated(r"(?m)^ttft(.*)$", stored("05_first_token_latency", "05-enough"))
    many = [float(number) for number in re.findall(r"[\d.]+", line)]
    assert "too kind" in text
    assert many[0] > max(p50 for _, p50, _, _ in small)
    assert many[3] > max(p99 for _, _, p99, _ in small)
    assert ("only if five values lie beyond it" in text, BEYOND) == (True, 5)


def test_the_timestamp_of_lesson_5_empties_the_cache(lesson_5):
    rules = int(stated(r"The rules have some ([\d,]+) tokens", lesson_5[0]).replace(",", ""))
    assert len(tokens("Be kind, be brief, and never promise a delivery date. " * 120)) == pytest.approx(rules, rel=0.05)
    cached = [int(number) for number in re.findall(r"cached +(\d+)", stored("05_first_token_latency", "05-timestamp"))]
    assert cached[:4] == [0, 0, 0, 0]
    assert cached[4] == cached[5] > 1500


def test_thoughts_cost_what_lesson_5_says():
    plain, hidden, aloud, _ = rows_of("05-hidden")
    assert hidden[1] == aloud[1] == plain[1] + 50 * 0.1
    assert aloud[0] == plain[0] < hidden[0]


def test_half_a_prompt_saves_of_the_whole_answer_of_lesson_5_what_the_guide_says():
    first, whole = (int(number) for number in re.findall(r"(\d+)%", stored("05_first_token_latency", "05-half")))
    assert 1 <= whole <= 5 < 3 * 5 < first


@pytest.fixture(scope="module")
def lesson_7() -> tuple[str, str]:
    return both("07_use_cases_by_mode.py")


def test_the_menu_of_lesson_7_takes_the_tokens_and_seconds_it_says(lesson_7):
    text, code = lesson_7
    menu = "".join(re.findall(r'^menu \+?= "(.*)"$', code, re.MULTILINE))
    count, first, last = re.search(
        r"has (\d+) tokens, the first after ([\d.]+) seconds, the last after (\d+)", text
    ).groups()
    assert len(tokens(menu)) == int(count)
    assert f"cafe = MockServer(menu, pace=Pace(ttft={first}, itl=0.05)" in code
    assert float(first) + (int(count) - 1) * 0.05 == float(last)
    assert int(stated(r"The model takes (\d+) seconds for its", text)) == float(last)


def test_guests_of_lesson_7_wait_for_those_before_them_and_then_for_nobody(lesson_7):
    def first_words(cell):
        return re.findall(r"first text after ([\d.]+) s", stored("07_use_cases_by_mode", cell))

    assert first_words("07-green") == ["0.5"]
    assert first_words("07-noon") == ["0.5", "2.5", "4.5"]
    assert first_words("07-served") == ["0.5"] * 3
    assert float(stated(r"pong after ([\d.]+)", stored("07_use_cases_by_mode", "07-pong"))) > 1.9
    assert float(stated(r"pong after ([\d.]+)", stored("07_use_cases_by_mode", "07-served"))) == 0


def test_ben_of_lesson_7_is_away_as_long_and_has_read_as_much_as_it_says(lesson_7):
    text, code = lesson_7
    assert "Ben leaves after one second" in text
    assert "leaves=1.0" in code
    assert "opened it five seconds later" in text
    assert "await clock.asleep(5)" in code
    had = int(stated(r"when the laptop closed Ben had (\d+)", text))
    assert "client_left after 1 s" in stored("07_use_cases_by_mode", "07-books-ledger")
    assert f"{had} tokens generated" in stored("07_use_cases_by_mode", "07-books-ledger")


def test_nothing_is_made_twice_under_resume_in_lesson_7_and_the_beginning_is_under_cancel():
    said = dict(re.findall(r"(?m)^(cancel|resume): (.*\[back\].*)$", stored("07_use_cases_by_mode", "07-policies")))
    first, again = said["cancel"].split(" [back] ")
    assert again.startswith(first)
    assert said["resume"].replace(" [back] ", "") == again
    made = re.findall(r"model: .* (\d+) pieces", stored("07_use_cases_by_mode", "07-policies"))
    assert int(made[0]) - int(made[1]) == 11


def test_the_report_of_lesson_7_is_as_long_and_as_slow_as_it_says(lesson_7):
    text, code = lesson_7
    words, pace = re.search(r"A report of (\d+) tokens is made at night, (\w+) tokens a second", text).groups()
    assert f'["page"] * {words}), pace=Pace(ttft=2, itl=0.25)' in code
    assert pace == "four"
    assert f"timeout={stated(r'a time-out of ([0-9]+) seconds', text)})" in code
    assert f"completed {words} words" in stored("07_use_cases_by_mode", "07-poll")


def test_the_pool_of_lesson_7_has_the_places_and_the_pace_it_says(lesson_7):
    text, code = lesson_7
    assert "ten answers at once and refuses more" in text
    assert f"pace=Pace(ttft={stated(r'An answer takes ([0-9.]+) seconds', text)}), clock=clock, max_streams=10)" in code
    runs = re.findall(r"([\d.]+) s: #{40}", stored("07_use_cases_by_mode", "07-pools"))
    assert "the pool takes the same time" in text
    assert runs[0] == runs[1] == "2.4"


def test_the_phone_of_lesson_7_needs_the_time_it_says(lesson_7):
    text, code = lesson_7
    assert f'"phone": {stated(r"which needs ([0-9.]+) seconds to show", text)}' in code
    drawn = re.findall(r"(\d+) pieces", stored("07_use_cases_by_mode", "07-boards"))
    assert drawn[0] == drawn[1] == "31"
    assert int(drawn[2]) < 8


def test_the_cheat_sheet_has_ten_rows_in_the_words_of_the_picture(lesson_7):
    rows = re.findall(r"^# \| ([\w ,-]+) \| ([\w ]+) \| (\w+) \| (\w+) \| .* \|$", lesson_7[1], re.MULTILINE)[1:]
    assert len(rows) == 10
    for _, *chosen in rows:
        for choice, decided in zip(chosen, decision.DECISIONS, strict=True):
            assert choice in decided.outcomes


LESSON_6 = "06_full_response_latency"


@pytest.fixture(scope="module")
def lesson_6() -> tuple[str, str]:
    return both(f"{LESSON_6}.py")


def printed(cell: str) -> list[float]:
    """The numbers that a cell of lesson 6 has printed."""
    return [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?", stored(LESSON_6, cell))]


def test_the_formula_of_lesson_6_knows_requests_that_it_has_not_seen(lesson_6):
    lines = stored(LESSON_6, "06-new-cases").splitlines()
    assert "It does. And it says what helps: shorter *answers*" in lesson_6[0]
    assert len(lines) == 3
    for line in lines:
        predicted, measured = (float(seconds) for seconds in re.findall(r"([\d.]+) s", line))
        assert predicted == pytest.approx(measured, rel=0.05)


def test_only_tokens_explain_the_time_in_lesson_6(lesson_6):
    text, code = lesson_6
    assert "one sends three tokens in a chunk, one thinks" in text
    assert '"mock-1;pack=3", "mock-1;reasoning=120"' in code
    _, packed, thought = stored(LESSON_6, "06-chunks").splitlines()
    for line in (packed, thought):
        took, by_chunks, by_tokens = (float(seconds) for seconds in re.findall(r"([\d.]+) s\b", line))
        assert by_tokens == pytest.approx(took, rel=0.05)
        assert by_chunks < took * 0.6


def test_the_experiment_of_lesson_6_is_as_large_as_it_says(lesson_6):
    text, code = lesson_6
    unary, total = re.search(r'took ([\d.]+) seconds, "the total operation" ([\d.]+)', text).groups()
    assert f"{total} / {unary}" in code
    assert ("We run the comparison ten times" in text, "for _ in range(10)]" in code) == (True, True)
    assert ("Fifty answers, each compared with each" in text, "for seed in range(50)]" in code) == (True, True)
    assert ("From the thirty differences alone" in text, code.count("for number in range(30)]")) == (True, 2)
    assert int(stated(r"do it ([\d,]+) times", text).replace(",", "")) == intervals.DRAWS
    assert (
        int(stated(r"the middle (\d+) % of these", text)) / 100
        == inspect.signature(interval).parameters["share"].default
    )


def test_ten_runs_contradict_each_other_and_most_answers_take_what_lesson_6_says(lesson_6):
    runs = printed("06-ten")
    times = list(zip(runs[::2], runs[1::2], strict=True))
    assert "some say the contrary of others" in lesson_6[0]
    assert 3 <= sum(streamed > unary for unary, streamed in times) <= 7
    assert "Most answers take about eight" in lesson_6[0]
    assert statistics.median(runs) == pytest.approx(8, abs=0.5)


def test_lesson_6_finds_nothing_where_there_is_nothing_and_the_fault_where_there_is_one():
    said = stored(LESSON_6, "06-four-designs").splitlines()[1:]
    ends = [[float(end) for end in re.search(r"\(([-+.\d]+) to ([-+.\d]+)\)", line).groups()] for line in said]
    assert [line.partition(":")[0] for line in said] == [
        "ours, in turn",
        "ours, at once",
        "theirs, in turn",
        "theirs, at once",
    ]
    assert all(low < 0 < high for low, high in ends[:3])
    assert ends[3][1] < -1


def test_one_length_helps_more_than_a_hundred_pairs_as_lesson_6_says(lesson_6):
    assert "Which helps more, a hundred pairs or the same length?" in lesson_6[0]
    (low, high), (least, most) = interval(twins.compare_twins(30, same_length=True)), interval(twins.compare_twins(100))
    assert high - low < (most - least) / 3


def test_nobody_else_is_served_by_the_published_server_of_lesson_6():
    ours, theirs = stored(LESSON_6, "06-ledgers").splitlines()[1:]
    assert "at most 2 at once" in ours
    assert "one at a time" in theirs


def test_the_calls_of_lesson_6_take_and_get_what_it_says(lesson_6):
    text, code = lesson_6
    count, each = re.search(r"(Five) documents .* takes ([\d.]+) seconds, and `gather`", text).groups()
    assert (count, f"ttft={each}, itl=0.0)" in code, "gathered(summarize, 5)" in code) == ("Five", True, True)
    serial, together = (float(end) for end in re.findall(r"ends after ([\d.]+) s", stored(LESSON_6, "06-awaited")))
    assert serial == 5 * together == 5 * float(each)
    assert "Fifty documents, gathered, at a server that makes eight answers at once" in text
    assert ("gathered(summarize_async, 50)" in code, "max_streams=8" in code) == (True, True)
    assert printed("06-fifty")[-2:] == [8, 42]


def test_the_time_outs_of_lesson_6_are_those_it_says(lesson_6):
    text, code = lesson_6
    assert '"An answer may take one second, so I set `timeout=1.0`." This one takes four.' in text
    assert printed("06-timeout")[-1] == 1.0
    assert "silent for five seconds, but its server sends a comment each half second" in text
    assert '"mock-1;ttft=5;heartbeat=0.5"' in code
    assert "client_left after 1 s" in stored(LESSON_6, "06-deadline")


def test_one_user_more_and_nobody_is_content_in_lesson_6(lesson_6):
    text, code = lesson_6
    step, limit = stated(r"a step takes ([\d.]+) seconds", text), stated(r"wants a token each ([\d.]+) seconds", text)
    assert ("a twentieth of that more" in text, f"itl={step}, batch={1 / 20:g})" in code) == (True, True)
    assert f'"tpot": {limit}' in code
    pace = Pace(ttft=0.2, itl=float(step), batch=1 / 20)
    kept = {users: seats.crowd(users, pace).run.goodput({"tpot": float(limit)}) for users in (31, 32)}
    assert "one user more, and nobody is content" in text
    assert kept[31] > 0 == kept[32]


def test_the_house_of_lesson_6_keeps_littles_law(lesson_6):
    text, code = lesson_6
    assert "Some two requests a second come, at random moments, and each stays for 2 seconds" in text
    assert "rate=2," in code
    first, second = stored(LESSON_6, "06-little"), stored(LESSON_6, "06-look")
    rate, stay, product = (float(number) for number in re.findall(r"\d+\.\d+", first))
    seen = float(stated(r"([\d.]+) on average", second))
    assert stay == 2
    assert product == pytest.approx(rate * stay, abs=0.02)
    assert seen == pytest.approx(product, rel=0.02)


def test_percentiles_of_parts_lie_on_both_sides_of_that_of_the_whole_in_lesson_6():
    lines = [re.findall(r"\d+\.\d+", line) for line in stored(LESSON_6, "06-percentiles").splitlines()]
    (*_, half, whole), (*_, most, last) = ([float(number) for number in line] for line in lines)
    assert half < whole
    assert most > last


def test_numbers_of_lesson_6_look_better_and_nobody_is_served_better():
    made, held = (rows for rows in re.findall(r"gap ([\d.]+) s, first token ([\d.]+) s, last ([\d.]+) s",
                                             stored(LESSON_6, "06-held")))  # fmt: skip
    assert float(held[0]) < 0.2 < float(made[0])
    assert float(held[1]) > float(made[1])
    assert held[2] == made[2]
    (p90, good, refused), (best, better, many) = (
        [float(number) for number in re.findall(r"p90 +([\d.]+) s, goodput ([\d.]+) .*, (\d+) of", line)[0]]
        for line in stored(LESSON_6, "06-shed").splitlines()
    )
    assert best < p90
    assert better > good
    assert many > 0 == refused


@pytest.mark.parametrize("path", sorted(SOURCE.glob("0[2-7]_*.py")), ids=lambda path: path.stem)
def test_a_lesson_opens_with_three_questions_from_earlier_ones_whose_answers_are_folded(path):
    after_setup = path.read_text("utf-8").split("# %% ", 3)[3]
    opening = re.split(r"\n(?=# #+ )", after_setup.split("# %%")[0])
    told = next(part for part in opening if "<details>" in part)
    questions = re.findall(r"<details><summary>\d\. (.+?\?)</summary>\n(.+?)</details>", told, re.DOTALL)
    assert len(questions) == 3
    assert opening.index(told) <= 1
    for _, answer in questions:
        assert int(stated(r"\(lesson (\d)\)\.$", answer)) < int(path.stem[:2])
