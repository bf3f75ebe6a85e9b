"""Bars, curves and dots, beside the timelines of `plots`: what is likely, what grows, what came when. Same paper, same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from course_utils.plots import INK, LAST, QUIET, TEXT, WIDTH, Figure, round_steps, svg, text

BAR, BAR_LEFT, BAR_ROOM = 24, 190, 90
CURVE_LEFT, CURVE_TOP, CURVE_WIDTH, CURVE_HEIGHT = 78, 52, 640, 240
DOTS_TOP, DOTS_HEIGHT, DOTS_STEP = 58, 90, 124
DASHES = ("", "7 4", "2 4", "10 3 2 3")
"""Curves differ in their strokes, so that colour carries nothing alone."""
COLOURS = (TEXT, "#a34700", LAST, "#1d6b35")


def plot_bars(values: Mapping[str, float], *, title: str, unit: str = "", highlight: str | None = None) -> Figure:
    """One horizontal bar a name, in the given order; ``highlight`` names the one that is marked with a triangle.

    ``unit`` stands behind each number; with ``"%"`` the values are shares, and a bar from side to side is 1: two pictures
    can be compared.
    """
    if not values:
        raise ValueError("there is nothing to draw: expected at least one value")
    if min(values.values()) < 0:
        raise ValueError(f"bars begin at 0, got {min(values.values())!r}")
    most = max(1.0 if unit == "%" else 0.0, *values.values()) or 1.0
    shown = {name: _number(value, unit) for name, value in values.items()}
    parts = []
    for index, (name, value) in enumerate(values.items()):
        y = 46 + BAR * index
        length = round(value / most * (WIDTH - BAR_LEFT - BAR_ROOM), 1)
        marked = name == highlight
        colour = "#a34700" if marked else TEXT
        if marked:
            parts.append(f'<path d="M{BAR_LEFT - 16} {y + 3}l9 5l-9 5z" fill="{colour}"/>')
        parts.append(text(BAR_LEFT - 22, y + 13, name, INK, "end", keep_spaces=True))
        parts.append(f'<rect x="{BAR_LEFT}" y="{y + 1}" width="{length:g}" height="{BAR - 8}" fill="{colour}"/>')
        parts.append(text(BAR_LEFT + length + 8, y + 13, shown[name], QUIET))
    reading = (
        title + (" " if title.endswith("?") else ": ") + ", ".join(f"{name!r} {shown[name]}" for name in values) + "."
    )
    return Figure(svg(title, reading, 46 + BAR * len(values) + 12, parts), reading)


def plot_stacks(stacks: Mapping[str, Mapping[str, float]], *, title: str, unit: str = "s") -> Figure:
    """One horizontal bar a name, made of parts, from left to right in the order in which all of them have them."""
    if not stacks or not all(stacks.values()):
        raise ValueError("there is nothing to draw: expected at least one bar, each with at least one part")
    names = list(next(iter(stacks.values())))
    if len(names) > len(COLOURS) or any(list(parts) != names for parts in stacks.values()):
        raise ValueError(
            f"expected the same parts in each bar, {len(COLOURS)} at most, got {list(map(list, stacks.values()))}"
        )
    most = max(sum(parts.values()) for parts in stacks.values()) or 1.0
    drawn = [text(BAR_LEFT, 46, "from left to right:", QUIET), *_legend(names, BAR_LEFT + 125)]
    drawn += [
        _stack(name, list(parts.values()), 58 + 30 * row, most, unit)
        for row, (name, parts) in enumerate(stacks.items())
    ]
    reading = f"{title}.\n" + "\n".join(
        f"{name}: " + ", ".join(f"{part} {_number(round(value, 2), unit)}" for part, value in parts.items()) + "."
        for name, parts in stacks.items()
    )
    return Figure(svg(title, reading, 58 + 30 * len(stacks) + 10, drawn), reading)


def _legend(names: Sequence[str], x: float) -> list[str]:
    """A square and a name for each part; a letter is taken to be eight pixels wide, which is more than most are."""
    parts = []
    for number, name in enumerate(names):
        parts.append(f'<rect x="{x:g}" y="36" width="11" height="11" fill="{COLOURS[number]}"/>')
        parts.append(text(x + 16, 46, name, INK))
        x += 36 + 8 * len(name)
    return parts


def _stack(name: str, values: Sequence[float], y: float, most: float, unit: str) -> str:
    """A bar of parts with gaps between them; a part says its value where there is room for it."""
    parts, x = [text(BAR_LEFT - 22, y + 15, name, INK, "end")], float(BAR_LEFT)
    for number, value in enumerate(values):
        wide = value / most * (WIDTH - BAR_LEFT - BAR_ROOM)
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{max(wide - 1.5, 0.5):.1f}" height="21" fill="{COLOURS[number]}"/>'
        )
        if wide > 40:
            parts.append(text(round(x + wide / 2, 1), y + 15, f"{value:.2f}", "#ffffff", "middle"))
        x += wide
    return "".join([*parts, text(round(x + 8, 1), y + 15, _number(round(sum(values), 2), unit), QUIET)])


def plot_curves(curves: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str) -> Figure:
    """Curves through points ``(x, y)``, each with its name at its right end. Both axes begin at 0."""
    if not curves or not all(curves.values()):
        raise ValueError("there is nothing to draw: expected at least one curve, each with at least one point")
    right = max(at for points in curves.values() for at, _ in points) or 1.0
    top = max(value for points in curves.values() for _, value in points) or 1.0
    bottom = CURVE_TOP + CURVE_HEIGHT

    def px(at: float) -> float:
        return round(CURVE_LEFT + at / right * CURVE_WIDTH, 1)

    def py(value: float) -> float:
        return round(bottom - value / top * CURVE_HEIGHT, 1)

    parts = [
        f'<path d="M{CURVE_LEFT} {CURVE_TOP - 8}V{bottom}H{CURVE_LEFT + CURVE_WIDTH}" stroke="{INK}" fill="none"/>'
    ]
    for mark in _marks(right):
        parts.append(text(px(mark), bottom + 17, f"{mark:,g}", QUIET, "middle"))
    for mark in _marks(top)[1:]:
        parts.append(f'<path d="M{CURVE_LEFT} {py(mark):g}h{CURVE_WIDTH}" stroke="#e3e6ea"/>')
        parts.append(text(CURVE_LEFT - 8, py(mark) + 4, f"{mark:,g}", QUIET, "end"))
    ends: list[tuple[float, float]] = []
    for number, (name, points) in enumerate(curves.items()):
        colour, dash = COLOURS[number % 4], DASHES[number % 4]
        path = " ".join(f"{px(at):g},{py(value):g}" for at, value in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>'
        )
        ends.append(_free(px(points[-1][0]) + 8, py(points[-1][1]) + 4, ends))
        parts.append(text(*ends[-1], name, colour))
    parts.append(text(CURVE_LEFT + CURVE_WIDTH, bottom + 36, x, QUIET, "end"))
    parts.append(text(12, CURVE_TOP - 12, y, QUIET))
    reading = f"{title}.\n" + "\n".join(
        f"{name}: {points[0][1]:,g} at {points[0][0]:,g}, {points[-1][1]:,g} at {points[-1][0]:,g}."
        for name, points in curves.items()
    )
    return Figure(svg(title, reading, bottom + 50, parts), reading)


def plot_dots(groups: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str) -> Figure:
    """One panel a group, one below the other on the same axes: a dot for each point ``(x, y)``. Both axes begin at 0."""
    if not groups or not all(groups.values()):
        raise ValueError("there is nothing to draw: expected at least one group, each with at least one point")
    right = max(at for points in groups.values() for at, _ in points) or 1.0
    top = max(value for points in groups.values() for _, value in points) or 1.0
    panels = [
        _panel(name, points, right, top, DOTS_TOP + DOTS_STEP * row)
        for row, (name, points) in enumerate(groups.items())
    ]
    bottom = DOTS_TOP + DOTS_STEP * len(groups) - 34
    parts = [*panels, text(12, DOTS_TOP - 14, y, QUIET)]
    parts += [text(_across(mark, right), bottom + 17, f"{mark:,g}", QUIET, "middle") for mark in _marks(right)]
    parts.append(text(CURVE_LEFT + CURVE_WIDTH, bottom + 36, x, QUIET, "end"))
    reading = f"{title}.\n" + "\n".join(
        f"{name}: {len(points)} dots, {sum(value > top / 10 for _, value in points)} of them higher than {top / 10:.2g}."
        for name, points in groups.items()
    )
    return Figure(svg(title, reading, bottom + 50, parts), reading)


def _across(at: float, right: float) -> float:
    return round(CURVE_LEFT + at / right * CURVE_WIDTH, 1)


def _panel(name: str, points: Sequence[tuple[float, float]], right: float, top: float, y: int) -> str:
    """Axes and dots of one group, its name beside them; the path draws each dot as a line of no length."""
    floor = y + DOTS_HEIGHT
    dots = "".join(f"M{_across(at, right):g} {floor - value / top * DOTS_HEIGHT:.1f}h0" for at, value in points)
    marks = "".join(
        text(CURVE_LEFT - 8, floor - mark / top * DOTS_HEIGHT + 4, f"{mark:,g}", QUIET, "end")
        for mark in _marks(top, 3)
    )
    return (
        f'<path d="M{CURVE_LEFT} {y}V{floor}H{CURVE_LEFT + CURVE_WIDTH}" stroke="{INK}" fill="none"/>{marks}'
        f'<path d="{dots}" stroke="{TEXT}" stroke-width="5" stroke-linecap="round" fill="none"/>'
        + text(CURVE_LEFT + CURVE_WIDTH + 8, y + DOTS_HEIGHT / 2, name, INK)
    )


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.1%}".replace("%", " %")
    return f"{value:,g} {unit}".rstrip()


def _free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A place for a curve's name: at its end, or above (at the top: below) the names of curves that end there too."""
    step = -16 if y - 16 * len(taken) > CURVE_TOP else 16
    while any(abs(x - other_x) < 60 and abs(y - other_y) < 16 for other_x, other_y in taken):
        y += step
    return x, y


def _marks(until: float, most: int = 6) -> list[float]:
    step = next(step for step in round_steps() if until / step <= most)
    return [index * step for index in range(int(until / step + 1e-9) + 1)]
