import xml.etree.ElementTree as ET

import pytest

from course_utils.charts import COLOURS, plot_bars, plot_curves, plot_dots, plot_stacks

SVG = "{http://www.w3.org/2000/svg}"
SHARES = {" the": 0.5, " be": 0.25, "<b>&": 0.0}
WORK = {"without": [(0, 0), (10, 200)], "with": [(0, 0), (10, 200)]}


def nodes(figure, kind: str) -> list[ET.Element]:
    return list(ET.fromstring(figure.svg).iter(f"{SVG}{kind}"))


def words(figure) -> list[str]:
    return [node.text for node in nodes(figure, "text")]


def test_bars_are_as_long_as_their_values():
    lengths = [float(node.get("width")) for node in nodes(plot_bars(SHARES, title="Next", unit="%"), "rect")[1:]]
    assert lengths[0] == 2 * lengths[1] > lengths[2] == 0


def test_bars_of_shares_are_as_long_in_every_picture():
    (one,), (half, _) = ([float(node.get("width")) for node in nodes(plot_bars(shares, title="Next", unit="%"), "rect")[1:]]
                         for shares in ({"sure": 1.0}, {"a": 0.5, "b": 0.5}))  # fmt: skip
    assert half == one / 2


def test_bars_are_named_numbered_and_read_out():
    figure = plot_bars(SHARES, title="Next", unit="%")
    assert {" the", "50.0 %", "<b>&", "0.0 %"} <= set(words(figure))
    assert figure.reading == "Next: ' the' 50.0 %, ' be' 25.0 %, '<b>&' 0.0 %."
    assert nodes(figure, "desc")[0].text == figure.reading


def test_one_bar_may_be_marked_by_its_shape():
    plain, marked = plot_bars(SHARES, title="Next"), plot_bars(SHARES, title="Next", highlight=" be")
    assert len(nodes(marked, "path")) == len(nodes(plain, "path")) + 1


def test_a_curve_goes_through_its_points_and_is_read_out():
    figure = plot_curves({"work": [(0, 0), (5, 1000), (10, 4000)]}, title="Work", x="tokens", y="rows")
    points = [tuple(map(float, pair.split(","))) for pair in nodes(figure, "polyline")[0].get("points").split()]
    assert points[1][0] - points[0][0] == points[2][0] - points[1][0]
    assert (points[0][1] - points[2][1]) == pytest.approx(4 * (points[0][1] - points[1][1]))
    assert figure.reading == "Work.\nwork: 0 at 0, 4,000 at 10."


def test_names_of_curves_that_end_together_at_the_top_stay_below_the_title():
    figure = plot_curves({str(number): [(0, 0), (10, 200)] for number in range(4)}, title="Work", x="x", y="y")
    heights = [float(node.get("y")) for node in nodes(figure, "text") if node.get("y") and node.get("fill") in COLOURS]
    assert len(set(heights)) == 4
    assert min(heights) > 44  # the title and the name of the axis stand above


def test_curves_that_end_together_have_names_apart_and_strokes_of_their_own():
    figure = plot_curves(WORK, title="Work", x="tokens", y="rows")
    heights = [float(node.get("y")) for node in nodes(figure, "text") if node.text in WORK]
    assert abs(heights[0] - heights[1]) >= 16
    assert len({node.get("stroke-dasharray") for node in nodes(figure, "polyline")}) == 2


@pytest.mark.parametrize("empty", [{}, {"a": []}])
def test_nothing_to_draw_is_said(empty):
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_curves(empty, title="", x="", y="")


def test_a_bar_can_not_be_negative():
    with pytest.raises(ValueError, match="got -1"):
        plot_bars({"a": -1.0}, title="")
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_bars({}, title="")


@pytest.mark.parametrize("figure", [plot_bars(SHARES, title="A"), plot_curves(WORK, title="A", x="tokens", y="rows")])
def test_everything_lies_inside_the_picture(figure):
    _, _, width, height = map(float, ET.fromstring(figure.svg).get("viewBox").split())
    for node in nodes(figure, "text"):
        reach = 7.2 * len(node.text) * {"middle": 0.5, "end": 0.0}.get(node.get("text-anchor"), 1.0)
        assert float(node.get("x")) + reach <= width
        assert 0 < float(node.get("y")) <= height


def test_dots_stand_on_the_same_axes_and_are_read_out():
    groups = {"calm": [(0, 0.05), (1, 0.05)], "rough": [(0, 0.05), (1, 1.0), (2, 0.5)]}
    figure = plot_dots(groups, title="Two", x="sent", y="waited")
    paths = [path.get("d") for path in nodes(figure, "path") if "h0" in path.get("d")]
    spots = [[tuple(map(float, spot[:-2].split(" "))) for spot in path.split("M")[1:]] for path in paths]
    assert [len(group) for group in spots] == [2, 3]
    assert spots[0][1][0] == spots[1][1][0]
    (_, floor), (_, high), (_, half) = spots[1]
    assert (floor - high) / (floor - half) == pytest.approx(0.95 / 0.45, rel=0.01)
    assert figure.reading.splitlines()[1:] == [
        "calm: 2 dots, 0 of them higher than 0.1.", "rough: 3 dots, 2 of them higher than 0.1."
    ]  # fmt: skip


def test_no_dots_are_refused():
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_dots({"calm": []}, title="", x="", y="")


PARTS = {"a long <text>": {"base": 0.5, "reading": 1.5}, "a wish": {"base": 0.5, "reading": 0.0}}


def test_the_parts_of_a_stack_are_as_long_as_their_values_and_follow_each_other():
    figure = plot_stacks(PARTS, title="Where it goes")
    bars = [(float(node.get("x")), float(node.get("width"))) for node in nodes(figure, "rect")[3:]]
    (base, short), (reading, long), (second, same), _ = bars
    assert base == second
    assert short == same
    assert reading - base == pytest.approx(short, abs=2)
    assert long == pytest.approx(3 * short, abs=4)


def test_a_stack_names_its_parts_in_their_order_and_says_them():
    figure = plot_stacks(PARTS, title="Where it goes")
    assert {"from left to right:", "base", "reading", "a long <text>", "2 s", "1.50"} <= set(words(figure))
    assert figure.reading.splitlines()[1:] == [
        "a long <text>: base 0.5 s, reading 1.5 s.",
        "a wish: base 0.5 s, reading 0 s.",
    ]


@pytest.mark.parametrize("stacks", [{}, {"a": {}}, {"a": {"base": 1.0}, "b": {"reading": 1.0}}])
def test_stacks_without_parts_or_of_different_ones_are_refused(stacks):
    with pytest.raises(ValueError, match="expected"):
        plot_stacks(stacks, title="Nothing")
