import pytest

from course_utils import metrics
from course_utils.timeline import Chunk, Timeline

STREAM = Timeline(
    0.125, (Chunk(0.25, ""), Chunk(0.5, "Hi"), Chunk(0.75, " there"), Chunk(1.5, "!"), Chunk(1.75, "")), "stop", 3
)
UNARY = Timeline(2.0, (Chunk(2.0, "Hi there!"),), "stop", 3, streamed=False)
EMPTY = Timeline(0.125, (Chunk(0.25, ""),))


def test_t_headers_is_when_create_returns():
    assert metrics.t_headers(STREAM) == 0.125


def test_ttfc_counts_the_role_chunk():
    assert metrics.ttfc(STREAM) == 0.25


def test_ttfv_ends_at_the_first_text_not_at_the_role_chunk():
    assert metrics.ttfv(STREAM) == 0.5
    assert metrics.ttft(STREAM) == 0.5


def test_ttfv_waits_for_a_sign_that_blanks_do_not_give():
    broken = Timeline(0.125, (Chunk(0.5, "\n\n"), Chunk(0.75, "Hi")), "stop", 2)
    assert (metrics.ttft(broken), metrics.ttfv(broken)) == (0.5, 0.75)
    with pytest.raises(ValueError, match="no visible text"):
        metrics.ttfv(Timeline(0.125, (Chunk(0.5, "\n"),), "stop", 1))


def test_e2e_ends_at_the_last_text_not_at_the_finish_chunk():
    assert metrics.e2e(STREAM) == 1.5


def test_gaps_lie_between_chunks_with_text():
    assert metrics.gaps(STREAM) == [0.25, 0.75]


def test_tpot_leaves_the_first_token_out():
    assert metrics.tpot(STREAM) == 0.5
    assert metrics.e2e(STREAM) == metrics.ttft(STREAM) + (STREAM.tokens - 1) * metrics.tpot(STREAM)


def test_the_two_speeds_differ_by_the_wait():
    assert metrics.user_tps(STREAM) == 2.0
    assert metrics.e2e_tps(STREAM) == 2.0
    late = Timeline(0, (Chunk(5.0, "a"), Chunk(5.5, "b")))
    assert (metrics.user_tps(late), metrics.e2e_tps(late)) == (2.0, round(2 / 5.5, 9))


def test_the_tokens_of_a_unary_answer_come_all_at_once():
    assert metrics.token_arrivals(UNARY) == [2.0, 2.0, 2.0]
    assert metrics.token_arrivals(STREAM) == [0.5, 0.75, 1.5]


def test_a_reader_waits_for_words_that_have_not_come():
    assert metrics.reading([0.5, 1.0, 1.5, 6.0], 1.0) == [1.5, 2.5, 3.5, 7.0]


def test_an_adult_reads_five_point_three_tokens_a_second():
    assert round(metrics.READING_SPEED, 1) == 5.3


@pytest.mark.parametrize("metric", [metrics.ttfv, metrics.ttft, metrics.e2e, metrics.gaps, metrics.arrivals])
def test_a_stream_without_text_has_no_times(metric):
    with pytest.raises(ValueError, match="none of the 1 chunks"):
        metric(EMPTY)


def test_a_metric_that_is_not_defined_says_why():
    with pytest.raises(ValueError, match="at least 2 tokens"):
        metrics.tpot(Timeline(0, (Chunk(1.0, "a"),)))
    with pytest.raises(ValueError, match="at one moment"):
        metrics.user_tps(UNARY)
    with pytest.raises(ValueError, match="without sending one"):
        metrics.ttfc(Timeline(0, ()))
    with pytest.raises(ValueError, match="above 0"):
        metrics.reading([1.0], 0)


def test_hidden_reasoning_starts_ttft_and_not_ttfv():
    thinking = Timeline(0.0, (Chunk(0.25), Chunk(0.5, "", "Hm"), Chunk(1.5, "Hi"), Chunk(1.75, "!")), "stop")
    assert (metrics.ttfc(thinking), metrics.ttft(thinking), metrics.ttfv(thinking)) == (0.25, 0.5, 1.5)
    assert metrics.tpot(thinking) == (1.75 - 0.5) / 2


@pytest.mark.parametrize("rank, value", [(50, 2), (75, 3), (76, 4), (100, 4), (0.1, 1)])
def test_a_percentile_is_a_value_that_occurred(rank, value):
    assert metrics.percentile([4, 1, 3, 2], rank) == value


def test_a_percentile_does_not_stumble_over_floats():
    assert metrics.percentile(range(1, 1001), 99.9) == 999
    assert metrics.percentile(range(1, 21), 95) == 19


@pytest.mark.parametrize("values, rank", [([], 50), ([1], 0), ([1], 101)])
def test_a_percentile_of_nothing_or_beyond_everything_is_refused(values, rank):
    with pytest.raises(ValueError, match="expected at least one value and a rank above 0"):
        metrics.percentile(values, rank)


@pytest.mark.parametrize("rank, fewest", [(50, 10), (90, 50), (95, 100), (99, 500), (99.9, 5000)])
def test_a_percentile_needs_five_values_beyond_it(rank, fewest):
    assert metrics.fewest_for(rank) == fewest
