import xml.etree.ElementTree as ET

import pytest

from course_utils.lanes import deliver
from course_utils.pace import Pace
from course_utils.plots import plot_timelines
from course_utils.timeline import Chunk, Timeline

SVG = "{http://www.w3.org/2000/svg}"
STEADY = Timeline(0.0, (Chunk(0.25), *(Chunk(0.5 + 0.25 * index, "x") for index in range(8))))
STALLED = Timeline(0.0, (Chunk(0.5, "a"), Chunk(0.75, "b"), Chunk(1.0, "c"), Chunk(5.0, "d"), Chunk(5.25, "e")))


def texts(figure) -> list[str]:
    return [node.text for node in ET.fromstring(figure.svg).iter(f"{SVG}text")]


def test_a_figure_has_a_title_and_a_description_that_is_its_reading():
    figure = plot_timelines({"streamed": STEADY}, title="One stream")
    root = ET.fromstring(figure.svg)
    assert root.find(f"{SVG}title").text == "One stream"
    assert root.find(f"{SVG}desc").text == figure.reading
    assert figure.reading == "streamed: first text after 0.5 s, last after 2.25 s, 8 pieces at 8 moments."


def test_first_and_last_text_are_labelled_in_words():
    assert {"first text 0.5 s", "last text 2.25 s", "request sent"} <= set(texts(plot_timelines(STEADY)))


def test_a_pause_is_named():
    assert "4 s pause" in texts(plot_timelines({"a": STALLED, "b": STEADY}))


def test_a_steady_stream_has_no_pause():
    assert not [text for text in texts(plot_timelines(STEADY)) if "pause" in text]


def test_a_reader_is_drawn_and_read_out():
    figure = plot_timelines(STALLED, reader=1.0)
    assert "read by 7 s" in texts(figure)
    assert figure.reading.endswith("read by 7 s.")


def test_a_name_cannot_break_the_picture():
    assert "<b>&" in texts(plot_timelines({"<b>&": STEADY}))


def test_only_a_live_view_moves():
    assert "<animate" not in plot_timelines(STEADY, reader=5).svg
    assert "<animate" in plot_timelines(STEADY, reader=5, play=True).svg


def test_every_mark_and_label_lies_inside_the_picture():
    figure = plot_timelines({"fast": deliver(Pace(ttft=0.3, itl=0.001)), "slow": deliver(Pace(ttft=9))}, reader=5.3)
    root = ET.fromstring(figure.svg)
    width = float(root.get("viewBox").split()[2])
    for node in root.iter(f"{SVG}text"):
        reach = 7.2 * len(node.text) * {"middle": 0.5, "end": 0.0}.get(node.get("text-anchor"), 1.0)
        assert float(node.get("x")) + reach <= width, node.text


def test_the_same_timeline_gives_the_same_text():
    assert plot_timelines(STEADY).svg == plot_timelines(STEADY).svg


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="at least one timeline"):
        plot_timelines({})


def test_a_notebook_shows_the_sentence_and_the_picture(capsys):
    figure = plot_timelines(STEADY)
    figure._ipython_display_()
    assert capsys.readouterr().out.startswith(figure.reading)
    assert figure._repr_mimebundle_() == {"image/svg+xml": figure.svg, "text/plain": figure.reading}
