"""The picture of three decisions, and that it is drawn within its paper."""

import re
from xml.etree import ElementTree

import pytest

from course_utils.decision import BOX, BOX_HEIGHT, DECISIONS, LETTERS, plot_decision
from course_utils.plots import WIDTH

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}


@pytest.fixture(scope="module")
def drawn():
    return ElementTree.fromstring(plot_decision().svg)


def test_each_decision_says_what_every_question_and_the_end_of_the_row_lead_to():
    said = " ".join(plot_decision().reading.split())
    for decision in DECISIONS:
        for question, outcome in decision.turns:
            assert f"{question} Then {outcome}." in said
        assert f" Else {decision.otherwise}." in said


def test_five_products_can_be_had_over_three_wires():
    display, product, wire = DECISIONS
    assert product.outcomes == {"sync", "flex", "batch", "background", "realtime"}
    assert wire.outcomes == {"streamed", "unary", "socket"}
    assert {"whole", "pieces"} < display.outcomes


def test_every_question_stands_in_a_box_of_its_own_which_it_fits(drawn):
    boxes = [box for box in drawn.findall("svg:rect", NAMESPACE) if box.get("height") == str(BOX_HEIGHT)]
    questions = [question for decision in DECISIONS for question, _ in decision.turns]
    for box, question in zip(boxes, questions, strict=True):
        left, top = float(box.get("x")), float(box.get("y"))
        lines = [
            line.text
            for line in drawn.findall("svg:text", NAMESPACE)
            if float(line.get("x")) == left + BOX / 2 and top + 12 < float(line.get("y")) < top + BOX_HEIGHT - 4
        ]
        assert " ".join(lines) == question
        assert max(map(len, lines)) <= LETTERS


def test_every_box_lies_within_the_paper(drawn):
    height = float(drawn.get("viewBox").split()[-1])
    for box in drawn.findall("svg:rect", NAMESPACE):
        assert float(box.get("x")) + float(box.get("width")) <= WIDTH
        assert float(box.get("y")) + float(box.get("height")) <= height


def test_the_picture_has_a_title_and_says_the_same_in_words(drawn):
    figure = plot_decision()
    assert drawn.findtext("svg:title", namespaces=NAMESPACE) == "Three decisions"
    assert drawn.findtext("svg:desc", namespaces=NAMESPACE) == figure.reading
    assert re.search(r"aria-labelledby", figure.svg)
