"""How clients behaved: for each fact one that does wrong and one that does right, played through the real client."""

import asyncio

import openai
import pytest

from course_utils.clock import VirtualClock, run
from course_utils.conduct import Conduct, conduct_of
from course_utils.mock import MockServer
from course_utils.pace import Pace


def mock() -> MockServer:
    pace = Pace(headers=0.25, ttft=0.5, itl=0.25)
    return MockServer("one two three four five", pace=pace, clock=VirtualClock())


def question(model: str):
    return {"model": model, "messages": [{"role": "user", "content": "Count"}], "stream": True}


def facts(server: MockServer, succeeded: set[int] | None = None) -> dict:
    """What is known against the client; empty for one that did all right."""
    return {name: value for name, value in conduct_of(server.ledger, succeeded).facts().items() if value}


def read(server: MockServer, model: str, *, swallow: bool = False, check: bool = True) -> set[int]:
    """The numbers of the requests that a client takes for a success after reading one answer.

    ``swallow``: it carries on after an error. ``check``: it wants a finish reason.
    """
    reason = None
    with server.client() as client:
        try:
            for chunk in client.chat.completions.create(**question(model)):
                reason = chunk.choices[0].finish_reason or reason
        except openai.APIError:
            if not swallow:
                return set()
            reason = reason or "swallowed"
    return {server.ledger[-1].number} if reason or not check else set()


def test_nothing_is_known_against_a_client_that_does_nothing_wrong():
    server = mock()
    succeeded = read(server, "mock-1")
    conduct = conduct_of(server.ledger, succeeded)
    assert (conduct.clean, conduct, facts(server)) == (True, Conduct((), (), (), (), (), ()), {})


def test_without_the_client_s_word_what_it_accepted_is_not_known():
    server = mock()
    read(server, "mock-1;end=3", check=False)
    conduct = conduct_of(server.ledger)
    assert (conduct.accepted_truncated, conduct.accepted_error, conduct.clean) == (None, None, True)


@pytest.mark.parametrize("model", ["mock-1;end=3", "mock-1;cut=3", "mock-1;malformed=3", "mock-1;stall=3:9;idle=1"])
def test_a_client_that_takes_a_broken_answer_for_whole_is_known_by_it(model):
    careless, careful = mock(), mock()
    assert facts(careless, read(careless, model, swallow=True, check=False)) == {"accepted_truncated": (1,)}
    assert facts(careful, read(careful, model)) == {}


def test_a_client_that_swallows_the_error_in_a_stream_is_known_by_it():
    careless, careful = mock(), mock()
    assert facts(careless, read(careless, "mock-1;error-at=3", swallow=True)) == {"accepted_error": (1,)}
    assert facts(careful, read(careful, "mock-1;error-at=3")) == {}


def test_an_answer_that_is_short_on_purpose_is_whole():
    server = mock()
    with server.client() as client:
        list(client.chat.completions.create(**question("mock-1"), max_tokens=2))
    assert facts(server, {1}) == {}


def test_the_facts_name_their_requests():
    server = mock()
    read(server, "mock-1")
    read(server, "mock-1;end=2")
    read(server, "mock-1;end=3")
    assert facts(server, {1, 3}) == {"accepted_truncated": (3,)}


# Asking again


REFUSED = "mock-1;flaky=2;error=429"


def retried_by_the_sdk(server: MockServer, model: str, retries: int = 2) -> None:
    """The SDK's own retry, which waits in virtual time."""

    async def main():
        async with server.async_client(max_retries=retries) as client:
            try:
                async for _ in await client.chat.completions.create(**question(model)):
                    pass
            except openai.APIError:
                pass

    run(main(), server.clock)


def retried_at_once(server: MockServer, model: str, waits: float = 0.0) -> None:
    with server.client() as client:
        for _ in range(3):
            try:
                list(client.chat.completions.create(**question(model)))
            except openai.APIError:
                server.clock.sleep(waits)
            else:
                return


def test_the_sdk_waits_as_long_as_a_refusal_tells_it_to():
    server = mock()
    retried_by_the_sdk(server, REFUSED)
    assert [(entry.status, entry.arrived) for entry in server.ledger] == [(429, 0.0), (429, 2.0), (200, 4.0)]
    assert facts(server, {3}) == {}


@pytest.mark.parametrize(("waits", "known"), [(0.0, (1, 2)), (1.9, (1, 2)), (2.0, ())])
def test_a_loop_that_asks_again_too_early_is_known_by_it(waits, known):
    server = mock()
    retried_at_once(server, REFUSED, waits)
    assert [entry.status for entry in server.ledger] == [429, 429, 200]
    assert facts(server) == ({"ignored_retry_after": known} if known else {})


def test_another_question_after_a_refusal_is_no_retry():
    server = mock()
    read(server, "mock-1;error=429")
    read(server, "mock-1;error=429;itl=1")
    read(server, "mock-1")
    assert facts(server) == {}


def test_asking_again_after_an_error_without_a_time_is_free():
    server = mock()
    retried_at_once(server, "mock-1;flaky=2")
    assert [entry.status for entry in server.ledger] == [503, 503, 200]
    assert facts(server) == {}


@pytest.mark.parametrize(
    ("model", "known"), [("mock-1;cut=2", (1, 2)), ("mock-1;error-at=2", (1, 2)), ("mock-1;cut=0", ())]
)
def test_asking_again_after_text_that_was_sent_is_known(model, known):
    server = mock()
    retried_at_once(server, model)
    assert len(server.ledger) == 3
    assert facts(server) == ({"retried_after_text": known} if known else {})


def test_the_sdk_does_not_ask_again_once_text_has_come():
    server = mock()
    retried_by_the_sdk(server, "mock-1;cut=2")
    assert (len(server.ledger), facts(server)) == (1, {})


def test_asking_the_same_after_a_whole_answer_is_no_retry():
    server = mock()
    read(server, "mock-1")
    read(server, "mock-1")
    assert facts(server) == {}


def test_large_questions_of_one_size_are_still_two():
    server = mock()
    with server.client() as client:
        for letter in "ab":
            messages = [{"role": "user", "content": letter * 20_000}]
            with pytest.raises(openai.RateLimitError):
                client.chat.completions.create(model="mock-1;error=429", messages=messages)
    assert facts(server) == {}


# Leaving and reading


@pytest.mark.parametrize(("closes", "known"), [(False, {"left_generating": (1,)}), (True, {})])
def test_a_client_that_stops_reading_and_does_not_close_is_known_by_it(closes, known):
    server = mock()
    with server.client() as client:
        stream = client.chat.completions.create(**question("mock-1"))
        next(chunk for chunk in stream if chunk.choices[0].delta.content)
        if closes:
            stream.close()
        server.clock.sleep(60)
        assert server.ledger[0].tokens_generated == (1 if closes else 5)
        assert facts(server) == known


def test_an_async_client_that_is_cancelled_has_closed():
    server = mock()

    async def main():
        async with server.async_client() as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.8), await client.chat.completions.create(**question("mock-1")) as stream:
                    async for _ in stream:
                        pass
            await asyncio.sleep(60)

    run(main(), server.clock)
    assert (server.ledger[0].ended, facts(server)) == ("client_left", {})


@pytest.mark.parametrize(("pause", "known"), [(0.5, {"slower_than_stream": (1,)}), (0.01, {})])
def test_a_client_that_reads_more_slowly_than_the_stream_is_known_by_it(pause, known):
    server = mock()
    with server.client() as client:
        for _ in client.chat.completions.create(**question("mock-1")):
            server.clock.sleep(pause)
    assert facts(server, {1}) == known


def test_a_client_may_do_several_things_wrong_at_once():
    server = mock()
    with server.client() as client:
        for _ in range(2):
            for _ in client.chat.completions.create(**question("mock-1;end=3")):
                server.clock.sleep(0.5)
    assert facts(server, {1, 2}) == {
        "accepted_truncated": (1, 2),
        "retried_after_text": (1,),
        "slower_than_stream": (1, 2),
    }
    assert not conduct_of(server.ledger).clean
