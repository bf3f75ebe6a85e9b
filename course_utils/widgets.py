"""Interactive pieces: controls that drive a picture. Each can be driven from Python too, and has a twin in code."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets

from course_utils.crank import Crank
from course_utils.lanes import race
from course_utils.leakage import plot_leaks
from course_utils.plots import Figure
from course_utils.proxy import Proxy
from course_utils.seats import crowd
from course_utils.twins import plot_twins


class _Drawn(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Controls above a figure."""

    figure: Figure

    def _show_figure(self, *more: str) -> None:
        """The figure in the view, and below it what it says, with ``more`` sentences."""
        lines = map(escape, [*self.figure.reading.splitlines(), *more])
        self.view.value = f"{self.figure.svg}<p>{'<br>'.join(lines)}</p>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The widget, and beside it the still picture for wherever widgets don't live."""
        bundle = dict(super()._repr_mimebundle_(**kwargs))
        return bundle | {"text/plain": repr(self), "image/svg+xml": self.figure.svg}


def _slider(value: int, least: int, most: int, description: str) -> Any:
    return ipywidgets.IntSlider(
        value,
        min=least,
        max=most,
        description=description,
        style={"description_width": "120px"},
        layout=ipywidgets.Layout(width="560px"),
        continuous_update=False,
    )


def _box(value: bool, description: str) -> Any:
    plain, wide = {"description_width": "0"}, ipywidgets.Layout(width="560px")
    return ipywidgets.Checkbox(value, description=description, style=plain, layout=wide)


class RaceWidget(_Drawn):
    """Sliders for the model's speed and for a pause, and the race they make. Its twin in code: ``race(10).plot()``.

    ``widget.speed.value = 50`` does what dragging the slider does; ``widget.play.click()`` what the button does.
    """

    def __init__(self) -> None:
        wide = {"description_width": "200px"}
        layout = ipywidgets.Layout(width="560px")
        self.speed = ipywidgets.FloatLogSlider(
            10,
            min=0.301,
            max=2.301,
            step=0.1,
            description="tokens per second",
            readout_format=".0f",
            style=wide,
            layout=layout,
            continuous_update=False,
        )
        self.pause = ipywidgets.FloatSlider(
            0,
            min=0,
            max=6,
            step=0.5,
            description="pause after the third token (s)",
            style=wide,
            layout=layout,
            continuous_update=False,
        )
        self.play = ipywidgets.Button(description="Play in real time", tooltip="A dot follows each reader")
        self.view = ipywidgets.HTML()
        super().__init__([self.speed, self.pause, self.play, self.view])
        self.speed.observe(self._redraw, "value")
        self.pause.observe(self._redraw, "value")
        self.play.on_click(lambda _: self._redraw(play=True))
        self._redraw()

    def _redraw(self, change: Any = None, play: bool = False) -> None:
        run = race(round(self.speed.value, 6), self.pause.value)
        self.figure = run.plot(play)
        self._show_figure(f"Saved: {run.saved:.1f} s.")

    def __repr__(self) -> str:
        return f"RaceWidget(speed={self.speed.value:g}, pause={self.pause.value:g})\n{self.figure.reading}"


class CrankWidget(_Drawn):
    """The ten likeliest next tokens; pick one, turn, and the text goes on from there. Its twin in code: `Crank`.

    ``widget.choice.value = " he"`` does what picking does, ``widget.turn.click()`` and ``widget.again.click()`` what
    the buttons do.
    """

    def __init__(self, text: str) -> None:
        self._begin = Crank(text)
        wide = ipywidgets.Layout(width="auto")
        self.choice = ipywidgets.ToggleButtons(description="next token", style={"button_width": "auto"}, layout=wide)
        self.turn = ipywidgets.Button(description="Turn the crank", tooltip="Append the chosen token")
        self.again = ipywidgets.Button(description="Start again", tooltip="Back to the first text")
        self.view = ipywidgets.HTML()
        super().__init__([self.choice, ipywidgets.HBox([self.turn, self.again]), self.view])
        self.turn.on_click(lambda _: self._show(self.crank.take(self.choice.value)))
        self.again.on_click(lambda _: self._show(self._begin))
        self.choice.observe(self._draw, "value")
        self._show(self._begin)

    def _show(self, crank: Crank) -> None:
        self.crank = crank
        with self.hold_trait_notifications():
            self.choice.options = [(repr(token), token) for token in crank.likeliest]
            self.choice.value = next(iter(crank.likeliest))
        self._draw()

    def _draw(self, change: Any = None) -> None:
        self.figure = self.crank.plot(self.choice.value)
        self.view.value = (
            f"<p><b>{escape(self.crank.text)}</b></p>{self.figure.svg}<p>{escape(self.figure.reading)}</p>"
        )

    def __repr__(self) -> str:
        return f"CrankWidget(next={self.choice.value!r})\n{self.figure.reading}"


class LeakWidget(_Drawn):
    """A slider for a guard's window, and the screens behind three guards. Its twin in code: ``plot_leaks(6)``.

    ``widget.window.value = 50`` does what dragging the slider does.
    """

    def __init__(self, window: int = 0) -> None:
        self.window = _slider(window, 0, 200, "window (tokens)")
        self.view = ipywidgets.HTML()
        super().__init__([self.window, self.view])
        self.window.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, change: Any = None) -> None:
        self.figure = plot_leaks(self.window.value)
        self._show_figure()

    def __repr__(self) -> str:
        return f"LeakWidget(window={self.window.value})\n{self.figure.reading}"


class ProxyWidget(_Drawn):
    """Four switches of a proxy, and when the text comes. Its twin in code: ``Proxy(gzip=True).plot()``.

    ``widget.hint.value = True`` does what ticking the box does.
    """

    def __init__(self) -> None:
        self.http10 = _box(True, "the proxy speaks HTTP/1.0 to the server")
        self.buffering = _box(True, "the proxy may buffer")
        self.gzip = _box(True, "the proxy compresses")
        self.hint = _box(False, "the server sends X-Accel-Buffering: no")
        self.view = ipywidgets.HTML()
        self._boxes = {"http10": self.http10, "buffering": self.buffering, "gzip": self.gzip, "hint": self.hint}
        super().__init__([*self._boxes.values(), self.view])
        for one in self._boxes.values():
            one.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, change: Any = None) -> None:
        self.proxy = Proxy(**{name: one.value for name, one in self._boxes.items()})
        self.figure = self.proxy.plot()
        self._show_figure()

    def __repr__(self) -> str:
        return f"ProxyWidget({self.proxy})\n{self.figure.reading}"


class CrowdWidget(_Drawn):
    """A slider for the number of users, and their waits at one server. Its twin in code: ``crowd(12).plot()``.

    ``widget.users.value = 20`` does what dragging the slider does.
    """

    def __init__(self, users: int = 1) -> None:
        self.users = _slider(users, 1, 32, "users at once")
        self.view = ipywidgets.HTML()
        super().__init__([self.users, self.view])
        self.users.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, change: Any = None) -> None:
        self.figure: Figure = crowd(self.users.value).plot()
        self._show_figure()

    def __repr__(self) -> str:
        return f"CrowdWidget(users={self.users.value})\n{self.figure.reading}"


class TwinsWidget(_Drawn):
    """How many pairs, of which lengths, and what chance makes of two services that are alike. Its twin: ``plot_twins(10)``.

    ``widget.pairs.value = 30`` does what dragging the slider does, ``widget.again.click()`` what the button does.
    """

    def __init__(self, pairs: int = 10) -> None:
        self.pairs = _slider(pairs, 1, 100, "pairs")
        self.same_length = _box(False, "both answers of a pair have the same length")
        self.again = ipywidgets.Button(description="Again", tooltip="Compare them once more")
        self.view = ipywidgets.HTML()
        self._seed = 0
        super().__init__([self.pairs, self.same_length, self.again, self.view])
        self.pairs.observe(self._redraw, "value")
        self.same_length.observe(self._redraw, "value")
        self.again.on_click(self._compare_again)
        self._redraw()

    def _compare_again(self, button: Any) -> None:
        self._seed += 1
        self._redraw()

    def _redraw(self, change: Any = None) -> None:
        self.figure = plot_twins(self.pairs.value, self.same_length.value, self._seed)
        self._show_figure()

    def __repr__(self) -> str:
        return f"TwinsWidget(pairs={self.pairs.value}, same_length={self.same_length.value})\n{self.figure.reading}"
