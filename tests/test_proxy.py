"""The proxy with four switches, held against nginx 1.22.1, on which the table was measured."""

from itertools import product

import pytest

from course_utils import metrics
from course_utils.pace import Pace
from course_utils.proxy import Proxy
from course_utils.replies import SCRIPT
from course_utils.widgets import ProxyWidget

HELD = {(True, True, False, False), (True, True, True, False), (False, True, True, False)}
"""HTTP/1.0, buffering, gzip, hint: the positions of sixteen in which nginx held forty lines of JSON until the last."""


@pytest.mark.parametrize("position", list(product((True, False), repeat=4)))
def test_it_holds_what_nginx_held(position):
    received = Proxy(*position).deliver(pace=Pace(headers=0.25, ttft=0.5, itl=0.25))
    moments = metrics.arrivals(received)
    assert received.text == SCRIPT["hello"]
    if position in HELD:
        assert set(moments) == {moments[-1]}
    else:
        assert len(set(moments)) == len(moments) > 20
        assert moments[0] == 0.5


def test_the_widget_does_what_the_code_does():
    widget = ProxyWidget()
    assert widget.figure.svg == Proxy(gzip=True).plot().svg
    widget.hint.value = True
    assert widget.figure.svg == Proxy(gzip=True, hint=True).plot().svg
    assert "received: first text after 0.5 s" in widget.view.value
    assert "hint=True" in repr(widget)


def test_the_widget_leaves_a_picture_where_widgets_do_not_live():
    bundle = ProxyWidget()._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "received" in bundle["text/plain"]
