import pytest

from course_utils import metrics
from course_utils.lanes import practice, race, trial
from course_utils.widgets import RaceWidget


@pytest.mark.parametrize("speed", [2, 5.3, 20, 200])
def test_the_reader_saves_the_smaller_of_generating_and_reading(speed):
    run = race(speed)
    assert run.saved == pytest.approx(min(run.generation, run.reading))


def test_all_lanes_cost_the_same_tokens_and_end_at_the_same_time():
    run = race(10)
    assert len({(entry.tokens_generated, entry.token_times) for entry in run.ledger.values()}) == 1


def test_the_fake_stream_has_the_chunks_of_a_stream_and_the_moment_of_a_unary_answer():
    lanes = race(10).timelines
    assert len(lanes["fake stream"].chunks) == len(lanes["streamed"].chunks)
    assert metrics.ttfv(lanes["fake stream"]) == pytest.approx(metrics.ttfv(lanes["unary"]), abs=0.01)


def test_a_pause_leaves_the_first_text_and_stops_the_reader():
    calm, paused = race(10), race(10, pause=4)
    assert metrics.ttfv(calm.timelines["streamed"]) == metrics.ttfv(paused.timelines["streamed"])
    assert paused.finished("streamed") > calm.finished("streamed") + 3


def test_a_model_without_speed_is_refused():
    with pytest.raises(ValueError, match="above 0 tokens per second, got 0"):
        race(0)


def test_the_widget_draws_what_its_code_twin_draws():
    assert race(10).plot().svg in RaceWidget().view.value


def test_the_widget_follows_its_sliders():
    widget = RaceWidget()
    before = widget.view.value
    widget.speed.value = 50
    assert widget.view.value != before
    assert race(50).plot().svg in widget.view.value


def test_the_button_lets_the_reader_move():
    widget = RaceWidget()
    widget.play.click()
    assert "<animate" in widget.view.value


def test_the_widget_leaves_a_picture_and_a_text_where_widgets_do_not_live():
    widget = RaceWidget()
    bundle = widget._repr_mimebundle_()
    assert bundle["image/svg+xml"] == race(10).plot().svg
    assert bundle["text/plain"] == repr(widget) == repr(RaceWidget())


def test_practice_gives_a_stream_to_try_a_function_on():
    send, clock = practice()
    seen = [(clock(), chunk.choices[0].delta.content) for chunk in send()]
    assert seen == [(0.25, ""), (1.0, "One"), (1.5, " two"), (2.0, " three"), (2.0, None)]


def test_a_trial_prints_when_each_piece_leaves(capsys):
    trial(lambda stream, gap, max_lag, clock, sleep: (text for _, text in stream))
    assert capsys.readouterr().out == "1.00 s  one\n1.00 s  two\n1.00 s  three\n3.00 s  four\n"
