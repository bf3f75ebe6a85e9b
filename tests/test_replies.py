import hypothesis
import hypothesis.strategies as st
import pytest

from course_utils.replies import DEFAULT, SCRIPT, reply_to, tokens


@hypothesis.given(st.text())
def test_tokens_joined_are_the_text(text):
    assert "".join(tokens(text)) == text


def test_a_long_word_is_several_tokens():
    assert tokens("generation works.") == ["generati", "on", " works", "."]


def test_the_reply_follows_the_key_word():
    assert reply_to("Why is the SKY blue?") == SCRIPT["sky"]


def test_an_unknown_question_gets_an_honest_reply():
    assert reply_to("What is 2 + 2?") == DEFAULT


@pytest.mark.parametrize("reply", [*SCRIPT.values(), DEFAULT])
def test_the_replies_have_about_six_tokens_for_five_words(reply):
    assert len(tokens(reply)) / len(reply.split()) == pytest.approx(1.2, abs=0.06)
