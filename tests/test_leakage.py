"""The leak meter: its numbers are counted again here, from the tokens of the answer and the pace."""

import pytest

from course_utils.leakage import AFTER, ANSWER, BANNED, BEFORE, PACE, leaks, plot_leaks
from course_utils.replies import tokens
from course_utils.widgets import LeakWidget

PHRASE = tokens(f" {BANNED}")


def test_nothing_but_the_secret_makes_the_answer_harmful():
    assert ANSWER.count(BANNED) == 1
    assert BANNED not in BEFORE + AFTER
    assert not any(BANNED in piece for piece in tokens(ANSWER))


@pytest.mark.parametrize("window", [0, 1, 6, 50, 200])
def test_holding_back_delays_the_first_text_by_a_window_of_tokens(window):
    assert leaks(window)["hold back"].delay == pytest.approx(window * PACE.itl)
    assert leaks(window)["stream first"].delay == 0


def test_checking_at_the_end_delays_the_first_text_until_the_last_token():
    gaps = len(tokens(BEFORE + AFTER)) - 1
    assert leaks(0)["check at end"].delay == pytest.approx(gaps * PACE.itl)


@pytest.mark.parametrize("window", [0, 3, 10, 11, 40])
def test_what_leaks_are_whole_tokens_from_the_phrase_on(window):
    following = tokens(ANSWER[ANSWER.index(BANNED) - 1 :])
    early = "".join(following[: max(0, len(PHRASE) - 1 - window)])
    late = "".join(following[: len(PHRASE) + window])
    assert [leak.leaked for leak in leaks(window).values()] == [late.strip(), early.strip(), ""]


def test_a_window_is_not_negative():
    with pytest.raises(ValueError, match="from 0 on, got -1"):
        leaks(-1)


def test_the_picture_says_what_was_leaked_and_what_it_cost():
    figure = plot_leaks(3)
    assert "stream first: no delay, 76 characters leaked, from 'never offer" in figure.reading
    assert "hold back: first text 0.15 s later, 41 characters leaked" in figure.reading
    assert "check at end: first text 12 s later, 0 characters leaked." in figure.reading
    assert BANNED in figure.svg
    assert "... and 8 more" in figure.svg


def test_an_empty_screen_is_said_to_be_empty():
    assert plot_leaks(0).svg.count("(an empty screen") == 1
    assert plot_leaks(100).svg.count("(an empty screen") == 2


def test_the_widget_does_what_the_code_does():
    widget = LeakWidget(window=6)
    assert plot_leaks(6).svg in widget.view.value
    widget.window.value = 50
    assert plot_leaks(50).svg in widget.view.value
    assert repr(widget) == repr(LeakWidget(window=50))


def test_the_widget_leaves_a_picture_and_a_text_where_widgets_do_not_live():
    bundle = LeakWidget(window=6)._repr_mimebundle_()
    assert bundle["image/svg+xml"] == plot_leaks(6).svg
    assert bundle["text/plain"] == repr(LeakWidget(window=6))
