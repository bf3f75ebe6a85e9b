"""The helper package of the course: what a notebook needs, by name. Importing it is cheap; parts load when used."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "asgi": ("app_client", "serve_app"),
    "carriers": ("CARRIERS", "TALKS", "carry", "converse", "overhear"),
    "charts": ("plot_bars", "plot_curves", "plot_dots", "plot_stacks"),
    "crank": ("Crank",),
    "seats": ("crowd",),
    "concurrency": ("most_at_once", "plot_spans", "spans"),
    "clock": ("course_clock", "play", "RealClock", "VirtualClock"),
    "api": ("MODEL",),
    "reads": ("shake", "share_wrong"),
    "envelopes": ("layers", "locate", "unwrap"),
    "conduct": ("Conduct", "conduct_of"),
    "eventsource": ("EventSource",),
    "frames": ("hold_all", "page_buffer"),
    "metrics": (
        "READING_SPEED",
        "WORDS_PER_MINUTE",
        "arrivals",
        "e2e",
        "e2e_tps",
        "fewest_for",
        "gaps",
        "percentile",
        "reading",
        "t_headers",
        "token_arrivals",
        "tpot",
        "ttfc",
        "ttft",
        "ttfv",
        "user_tps",
    ),
    "intervals": ("interval", "plot_differences"),
    "mock": ("MockServer", "connect"),
    "pace": ("Pace",),
    "proxy": ("Proxy",),
    "plots": ("plot_timelines",),
    "leakage": ("leaks", "plot_leaks"),
    "load": ("closed_loop", "open_loop"),
    "measure": ("table",),
    "rehearsal": ("rehearse",),
    "rulers": ("RULERS", "plot_rulers"),
    "lanes": ("deliver", "practice", "race", "trial"),
    "board": ("Board",),
    "decision": ("plot_decision",),
    "visits": ("Visit", "made", "then", "watch"),
    "timeline": ("Chunk", "Timeline", "arecord", "record"),
    "twins": ("compare_twins", "plot_twins"),
    "widgets": ("CrankWidget", "CrowdWidget", "LeakWidget", "ProxyWidget", "RaceWidget", "TwinsWidget"),
    "environment": ("doctor",),
    "checks.vocabulary": (
        "add_exercises",
        "check",
        "glossary",
        "hint",
        "predict",
        "progress",
        "reset",
        "reveal",
        "solution",
    ),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)  # computed from the one list above


def __getattr__(name: str) -> Any:
    """Import a name's module on first use, and keep the name."""
    if name not in _MODULE:
        raise AttributeError(f"course_utils has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"course_utils.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
