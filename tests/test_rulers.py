import xml.etree.ElementTree as ET

import pytest

from course_utils.metrics import e2e, t_headers, tpot, ttfc, ttft, ttfv
from course_utils.rulers import RULERS, plot_rulers
from course_utils.timeline import Chunk, Timeline

# Nine tokens of thought, ten of text (as the mock's tokenizer cuts it), a finish reason, the usage.
THOUGHTS = tuple(Chunk(at, "", "Hm, so.") for at in (0.9, 1.2, 1.5))
TEXTS = (Chunk(2.0, "One"), Chunk(2.1, " two, three."), Chunk(2.2, " Four, five."), Chunk(2.3, "!"))
STREAM = Timeline(0.05, (Chunk(0.05), *THOUGHTS, *TEXTS, Chunk(2.31), Chunk(2.32, choices=False)), "stop", 19)


@pytest.mark.parametrize(
    "tool, first, per_token",
    [
        ("vLLM bench", 0.05, {"TPOT": 0.126, "mean ITL": 0.283}),
        ("AIPerf", 0.9, {"ITL": 0.078, "mean ICL": 0.233}),
        ("GuideLLM", 0.9, {"ITL": 0.078, "TPOT": 0.121}),
        ("LLMPerf", 2.0, {"inter-token": 0.230}),
        ("OpenTelemetry", 0.05, {"per chunk": 0.252}),
    ],
)
def test_a_tool_prints_what_its_rule_says(tool, first, per_token):
    """By hand: 2.26 s in 18 tokens and 8 gaps; 1.4 s in 18 and 6; 2.3 s for 19 or for 10; 2.27 s in 9 gaps."""
    reading = RULERS[tool](STREAM)
    assert reading.ttft == first
    assert reading.per_token == pytest.approx(per_token, abs=0.0006)


def test_where_nothing_is_hidden_and_each_chunk_is_a_token_the_tools_differ_by_the_role_chunk_only():
    plain = Timeline(0.25, (Chunk(0.25), Chunk(0.5, "One"), Chunk(0.75, " two")), "stop", 2)
    assert {tool: ruler(plain).ttft for tool, ruler in RULERS.items()} == {
        "vLLM bench": 0.25,
        "AIPerf": 0.5,
        "GuideLLM": 0.5,
        "LLMPerf": 0.5,
        "OpenTelemetry": 0.25,
    }
    assert RULERS["AIPerf"](plain).per_token["ITL"] == tpot(plain) == 0.25


def test_the_picture_has_a_ruler_for_each_stop_as_long_as_it_took():
    stops = {clock.__name__: clock(STREAM) for clock in (t_headers, ttfc, ttft, ttfv, e2e)}
    figure = plot_rulers(STREAM, stops, title="Five clocks")
    paths = [node.get("d") for node in ET.fromstring(figure.svg).iter("{http://www.w3.org/2000/svg}path")]
    lengths = [float(d.split("H")[1].split("M")[0]) - float(d.split(" ")[0][1:]) for d in paths if "v12" in d]
    assert lengths[3] / lengths[2] == pytest.approx(2.0 / 0.9, rel=0.01)
    assert figure.reading.splitlines() == ["Five clocks:", *(f"{name} {at:.2f} s" for name, at in stops.items())]
