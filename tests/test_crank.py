"""Turning the crank by hand and by widget. The numbers are the model's own; what is held is what happens to them."""

from html import escape

import pytest

from course_utils import lm
from course_utils.crank import Crank
from course_utils.widgets import CrankWidget

TEXT = "She opened the letter and"


def test_the_likeliest_are_the_models_own_in_their_order():
    shares = lm.probabilities(lm.load().forward(lm.tokenizer().encode(TEXT))[-1])
    best = lm.ranking(shares, 10)
    assert list(Crank(TEXT).likeliest) == [lm.tokenizer().decode([id]) for id in best]
    assert list(Crank(TEXT).likeliest.values()) == [round(shares[id], 3) for id in best]


def test_turning_takes_the_likeliest_and_says_what_the_model_says():
    crank = Crank(TEXT)
    assert crank.turn(8).text == TEXT + lm.tokenizer().decode(lm.generate(TEXT, 8))
    assert crank.take().text == crank.take(1).text == crank.turn(1).text
    assert crank.text == TEXT


def test_another_choice_is_another_future():
    second = list(Crank(TEXT).likeliest)[1]
    assert Crank(TEXT).take(second).text == Crank(TEXT).take(2).text == TEXT + second
    assert Crank(TEXT).take(2).turn(8).text != Crank(TEXT).turn(9).text


@pytest.mark.parametrize("token", ["never", 0, 11, 1.5])
def test_what_is_not_offered_can_not_be_taken(token):
    with pytest.raises(ValueError, match="take one of"):
        Crank(TEXT).take(token)


def test_a_text_longer_than_the_context_goes_on_from_its_end():
    long = "and then " * 300
    assert Crank(long).take().text.startswith(long)


def test_the_end_adds_nothing():
    asked = Crank("")
    object.__setattr__(asked, "likeliest", {"(the end)": 1.0})
    assert asked.take().text == ""


def test_the_widget_does_what_the_code_does():
    widget = CrankWidget(TEXT)
    second = list(Crank(TEXT).likeliest)[1]
    assert widget.choice.value == next(iter(Crank(TEXT).likeliest))
    widget.choice.value = second
    assert widget.figure.svg == Crank(TEXT).plot(second).svg
    widget.turn.click()
    assert widget.crank == Crank(TEXT).take(2)
    assert escape(widget.figure.reading) in widget.view.value
    assert f"<b>{escape(TEXT + second)}</b>" in widget.view.value
    widget.again.click()
    assert widget.crank == Crank(TEXT)


def test_the_widget_leaves_a_picture_where_widgets_do_not_live():
    bundle = CrankWidget(TEXT)._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "What comes after" in bundle["text/plain"]
