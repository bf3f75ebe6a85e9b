"""Exercise 5.1: five clocks on one stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.expected import expectation
from course_utils.checks.subject import Raised, Subject
from course_utils.clock import VirtualClock

NAMES = ("t_headers", "ttfc", "ttft", "ttfv", "e2e")
READING = 1 / 64
"""Seconds that parse() takes for a line; between two events there is far more time."""

Entry = tuple[float, str, str]
"""When an event comes, its kind (a key of `WORDS`), and its text."""

WORDS = {
    "ping": "a comment",
    "role": "a role",
    "thought": "a thought",
    "blank": "text without a visible sign",
    "text": "visible text",
    "empty": "an empty text",
    "bare": "a chunk without choices",
    "last": "visible text with the finish reason",
    "finish": "the finish reason",
    "usage": "the usage",
    "done": "[DONE]",
}
"""What an event holds, as messages say it."""

FULL: tuple[Entry, ...] = (
    (0.125, "ping", ""),
    (0.25, "role", ""),
    (0.875, "thought", "Six times"),
    (1.25, "thought", " seven"),
    (2.0, "blank", "\n\n"),
    (2.125, "ping", ""),
    (2.5, "text", "Forty"),
    (2.75, "text", "-two"),
    (3.25, "blank", "\n"),
    (3.5, "finish", "stop"),
    (3.75, "usage", ""),
    (4.0, "done", ""),
)
SPOKEN = tuple(entry for entry in FULL if entry[1] != "thought")
AT_ONCE = ((0.25, "text", "Yes"), (0.5, "finish", "stop"))
THOUGHT_ONLY = (*FULL[:4], (1.5, "finish", "length"), (1.75, "done", ""))
REFUSED = ((0.25, "role", ""), (0.5, "finish", "content_filter"), (0.75, "done", ""))
LAST = ((0.125, "bare", ""), (0.25, "role", ""), (0.5, "text", "Yes"), (0.75, "last", "!"), (1.0, "done", ""))
"""As of services that begin with what a filter found in the prompt, and end with text and reason in one chunk."""
SILENT = ((0.25, "ping", ""), (0.5, "done", ""))


@expectation
def _right(headers: float, entries: tuple[Entry, ...]) -> dict[str, float | None]:
    """The five clocks of a stream."""
    tokens = [at for at, kind, _ in entries if kind in ("thought", "blank", "text", "last")]
    chunks = [at for at, kind, _ in entries if kind not in ("ping", "done")]
    visible = [at for at, kind, _ in entries if kind in ("text", "last")]
    firsts = [next(iter(times), None) for times in (chunks, tokens, visible)]
    return dict(zip(NAMES, [headers, *firsts, tokens[-1] if tokens else None], strict=True))


@dataclass
class _Play:
    """One request: what comes and when, and what the answer made of it. ``start`` is what the clock shows before it."""

    entries: tuple[Entry, ...]
    headers: float = 0.0625
    start: float = 64.0
    clock: VirtualClock = field(init=False)
    sent: int = 0
    looked: int = 0
    read: list[Entry] = field(default_factory=list)
    no_json: str | None = None
    got: Any = None

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.start)

    def run(self, answer: Subject) -> _Play:
        try:
            self.got = answer.call(self._send, self._look, self._parse)
        except Raised as raised:
            raise self._translated(raised) from None
        return self

    def _send(self) -> Iterator[str]:
        self.sent += 1
        self.clock.sleep_until(self.start + self.headers)
        return self._lines()

    def _lines(self) -> Iterator[str]:
        first = True
        for entry in self.entries:
            self.clock.sleep_until(self.start + entry[0])
            self.read.append(entry)
            yield _line(entry, first)
            yield ""
            first = first and entry[1] in ("ping", "bare")

    def _look(self) -> float:
        self.looked += 1
        return self.clock.now()

    def _parse(self, line: str) -> Any:
        self.clock.sleep(READING)
        try:
            return json.loads(line.removeprefix("data: "))
        except ValueError:
            self.no_json = line
            raise

    def _translated(self, raised: Raised) -> Exception:
        """What an error means, if it comes from what a line holds."""
        facts = self.facts() | {"got": Words(raised)}
        if self.no_json is not None:
            why = f"The line {self.no_json!r} holds no JSON. Only a line that begins with 'data: {{' is a chunk."
            return NotYet(why, **facts)
        if self.read and raised.kind in ("IndexError", "KeyError", "TypeError", "AttributeError"):
            kind = self.read[-1][1]
            if kind in ("usage", "bare"):
                what = "The chunk with the usage" if kind == "usage" else "A chunk"
                return NotYet(f"{what} has no choices: its list is empty. Test before you index.", **facts)
            why = f"It went wrong at {WORDS[kind]}. A delta has only the keys it needs, and a value may be None."
            return NotYet(why, **facts)
        return raised

    @property
    def right(self) -> dict[str, float | None]:
        return _right(self.headers, self.entries)

    def facts(self) -> dict[str, Any]:
        events = ", ".join(f"{at:g} s {WORDS[kind]}" for at, kind, _ in self.entries)
        return {"given": f"headers at {self.headers:g} s, {events}", "got": self.got, "expected": self.right}


def _line(entry: Entry, first: bool) -> str:
    _, kind, text = entry
    if kind in ("ping", "done"):
        return ": ping" if kind == "ping" else "data: [DONE]"
    if kind == "bare":
        return f"data: {json.dumps({'choices': [], 'prompt_filter_results': []})}"
    if kind == "usage":
        return f"data: {json.dumps({'choices': [], 'usage': {'completion_tokens': 5}})}"
    delta: dict[str, Any] = {"role": "assistant"} if first else {}
    if kind == "thought":
        delta |= {"content": None, "reasoning_content": text}
    elif kind != "finish":
        delta["content"] = text
    reason = {"finish": text, "last": "stop"}.get(kind)
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice], 'usage': None})}"


def check(answer: Subject, draw: Random) -> None:
    for entries in (FULL, SPOKEN, AT_ONCE, THOUGHT_ONLY, REFUSED, LAST, SILENT):
        _judge(_Play(entries).run(answer))
    for _ in range(10):
        _judge(_drawn(draw).run(answer))


def _drawn(draw: Random) -> _Play:
    """Another stream, of other pieces and at other times; the clock has only just begun."""
    kinds = [draw.choice(["role", "text", "thought"])]
    kinds += ["thought"] * draw.randint(0, 3)
    kinds += draw.choices(["blank", "text", "text", "empty"], k=draw.randint(0, 5))
    kinds += [kind for kind in ("finish", "usage", "done") if draw.random() < 0.8]
    for _ in range(draw.randint(0, 2)):
        kinds.insert(draw.randint(0, len(kinds)), "ping")
    headers = at = draw.randint(1, 8) / 16
    entries = []
    for kind in kinds:
        at += draw.randint(1, 12) / 8
        entries.append((at, kind, _text(kind, draw)))
    return _Play(tuple(entries), headers, start=draw.randint(1, 8) / 16)


def _text(kind: str, draw: Random) -> str:
    words = {"thought": ["Hm", "\n", " so"], "text": [" a", "no\n", "é", "0"], "blank": [" ", "\n", "\t\n", "\r\n"]}
    return draw.choice(words.get(kind, ["stop" if kind == "finish" else ""]))


def _judge(play: _Play) -> None:
    got, right = play.got, play.right
    if play.sent != 1:
        why = f"send() was called {play.sent} times, and each call is a request. Call it once and keep what it returns."
        raise NotYet(why, **play.facts())
    if not isinstance(got, dict) or set(got) != set(NAMES):
        raise NotYet(f"Return a dict with the keys {', '.join(NAMES)}.", **play.facts())
    if not play.looked:
        raise NotYet("Your clock is not the one you were given: measure with clock().", **play.facts())
    for name in NAMES:
        if not _same(got[name], right[name]):
            raise NotYet(_why(play, name, got[name]), **play.facts())


def _same(left: Any, right: float | None) -> bool:
    if left is None or right is None:
        return left is right
    return type(left) in (int, float) and abs(left - right) < 1e-6


def _why(play: _Play, name: str, got: Any) -> str:
    """The mistake behind a wrong clock."""
    right = play.right[name]
    stopped = [entry for entry in play.entries if _same(got, entry[0])]
    if right is None:
        at = f"Your {name} stopped at {WORDS[stopped[0][1]]}. " if stopped else ""
        return f"{at}Nothing came at which {name} could stop. Then its value is None, and no number."
    if got is None:
        at = next((f"{WORDS[kind]} ({at:g} s)" for at, kind, _ in play.entries if _same(at, right)), "the headers")
        return f"Your {name} is None, though it could stop at {at}."
    if type(got) not in (int, float):
        return f"A clock shows seconds, one number. Your {name} does not."
    if why := _scale(play, got, right):
        return why
    if not stopped and any(got == round(right, digits) for digits in (1, 2, 3)):
        return "Your times are rounded. Return them as they are; rounding is for printing."
    if name == "t_headers":
        return _early_or_late(play, got)
    if name == "ttfc" and stopped == [play.entries[-1]]:
        return "Your ttfc stopped when all lines were there. Look at the clock for each as it comes, and collect nothing first."
    if stopped:
        return f"Your {name} stopped at {WORDS[stopped[0][1]]} ({got:g} s). {_may(play, name, stopped[0])}"
    if any(_same(got, at + READING * times) for at, _, _ in play.entries for times in (1, 2)):
        return f"Your {name} has the time of parse() in it. That is your program's work: look at the clock when a line comes."
    return f"Your {name} is off. Write down for each line when it came, and what was in it."


def _scale(play: _Play, got: float, right: float) -> str:
    """Mistakes that all clocks share: where they start, and in what they count."""
    if _same(got, play.start + right):
        return "That is what the clock showed. Subtract what it showed before the request was sent."
    if _same(got, right * 1000):
        return "Your unit is milliseconds; the times here are seconds."
    if _same(got, right - play.headers) and not _same(right, play.headers):
        return "Your stopwatch starts when the headers are there. When does the user start waiting?"
    return ""


def _early_or_late(play: _Play, got: float) -> str:
    if _same(got, 0.0):
        return (
            "Your t_headers is 0: you looked before send() had returned, or started there. The headers come in between."
        )
    if got > play.headers and len(play.read) == len(play.entries) and got >= play.entries[-1][0]:
        return "Your t_headers stopped at the end of the stream. The headers were there when send() returned."
    return "Your t_headers stopped later. The headers are there when send() returns, before any line is."


def _may(play: _Play, name: str, entry: Entry) -> str:
    """Why a clock may not stop at this event."""
    at, kind, _ = entry
    right = play.right[name]
    if name == "e2e":
        if at < (right or 0) and any(kind == "last" for _, kind, _ in play.entries):
            return "The chunk with the finish reason has brought text, too: a reason does not say that there is none."
        if at < (right or 0):
            return "Tokens came behind it. Take the time of each, and the last one remains."
        return "All tokens were there before: what comes behind them makes nobody wait."
    if at > (right or 0):
        return "It could have stopped before: which event was the first that counts?"
    return {
        "ping": "It only keeps the line open. Which event was the first chunk?",
        "role": "Who will answer is known, and no token has come. Which clocks may stop here?",
        "thought": "The model has begun, and nobody sees it. Which clocks may stop here?",
        "blank": "It is a token, and a reader sees nothing yet: text.strip() is empty.",
    }.get(kind, "Nothing that counts for it has come yet.")


EXERCISE = Exercise(
    id="5.1",
    title="clocks",
    function="clocks",
    minutes=10,
    points=2,
    core=True,
    hints=(
        "Take the example stream and a pencil: write the names of the clocks that may stop beside each line. Some lines stop "
        "none, some stop three.",
        "Look at the clock once for each line, before parse(). Four clocks keep the first time that fits, e2e keeps the last. "
        "A text is a token if it is not empty, and visible if something of it is left when blanks are stripped.",
        'Begin with times of None. For each line: at = clock() - sent; if it starts with "data: {", then if times["ttfc"] is None, '
        "it is at. The same for ttft, if there is text or reasoning, and for ttfv, if text.strip(); for e2e without the question "
        "whether it is None.",
    ),
    reason="Each clock says what it waits for: any chunk, any token, anything to see, the last token. One look at the clock for "
    "each line, before any work of your own, serves them all. Who prints one number has to say which of them it is.",
    check=check,
)

EXERCISE.survive(
    "the first token stops both, so before it neither has a value and behind it both have one",
    "if times['e2e'] is None and text + thought:",
)

# ------------------------------------------------------------------------------------- the reference and its mistakes

Delta = dict[str, Any]


def _said(delta: Delta) -> str:
    return delta.get("content") or ""


def _token(delta: Delta) -> bool:
    return bool(_said(delta) or delta.get("reasoning_content"))


def _visible(delta: Delta) -> bool:
    return bool(_said(delta).strip())


def _wrong(
    name: str,
    says: str,
    *,
    chunk: Callable[[str], bool] = lambda line: line.startswith("data: {"),
    token: Callable[[Delta], bool] = _token,
    visible: Callable[[Delta], bool] = _visible,
    end: Callable[[str, Delta], bool] = lambda line, delta: _token(delta),
    late: bool = False,
    keeps: str = "first",
    start: str = "sent",
    missing: float | None = None,
    unit: float = 1.0,
    lines: Callable[[Iterator[str]], Any] = iter,
    delta_of: Callable[[Any], Delta] = lambda chunk: chunk["choices"][0]["delta"] if chunk["choices"] else {},
) -> None:
    """The reference with one part exchanged."""

    def clocks(send: Any, clock: Any, parse: Any) -> Any:
        sent = clock()
        body = lines(send())
        headers = clock() - sent
        begun = {"sent": sent, "headers": sent + headers, "never": 0.0}[start]
        times: dict[str, Any] = {"t_headers": headers if start != "never" else clock()} | dict.fromkeys(
            NAMES[1:], missing
        )

        def stop(name: str, at: float) -> None:
            if times[name] == missing or keeps == name:
                times[name] = at

        for line in body:
            at = clock() - begun
            if chunk(line):
                data = parse(line) if line.startswith("data: {") else {"choices": []}
                at = clock() - begun if late else at
                delta = delta_of(data)
                stop("ttfc", at)
                if token(delta):
                    stop("ttft", at)
                if visible(delta):
                    stop("ttfv", at)
            else:
                delta = {}
            if end(line, delta):
                times["e2e"] = at
        return {name: None if at is None else at * unit for name, at in times.items()}

    EXERCISE.wrong(name, says=says)(clocks)


_wrong("takes a comment for a chunk", "Your ttfc stopped at a comment", chunk=bool)
_wrong("takes the first chunk for the first token", "Your ttft stopped at a role", token=lambda delta: True)
_wrong("takes an empty text for a token", "no token has come", token=lambda delta: "content" in delta)
_wrong("does not count thoughts", "Your ttft stopped at text without", token=lambda delta: bool(_said(delta)))
_wrong("wants to see the first token", "Your ttft stopped at visible text", token=_visible)
_wrong("takes thoughts for visible", "Your ttfv stopped at a thought", visible=_token)
_wrong("takes blanks for visible", "Your ttfv stopped at text without", visible=lambda delta: bool(_said(delta)))
_wrong("ends with [DONE]", "Your e2e stopped at [DONE]", end=lambda line, delta: bool(line))
_wrong("ends with the usage", "Your e2e stopped at the usage", end=lambda line, delta: line.startswith("data: {"))
_wrong(
    "takes the finish reason for the end",
    "Your e2e stopped at the finish reason",
    end=lambda line, delta: '"delta"' in line,
)
_wrong("ends with the last visible text", "Your e2e stopped at visible text", end=lambda line, delta: _visible(delta))
_wrong("looks at the clock behind parse()", "has the time of parse() in it", late=True)
_wrong("keeps the last visible text", "which event was the first that counts?", keeps="ttfv")
_wrong("starts with the headers", "Your stopwatch starts when the headers are there", start="headers")
_wrong("does not subtract", "That is what the clock showed", start="never")
_wrong("counts milliseconds", "Your unit is milliseconds", unit=1000)
_wrong("takes [DONE] for a chunk", "Your ttfc stopped at [DONE]", chunk=lambda line: line.startswith("data:"))
_wrong("breaks off at the finish reason", "has brought text, too", lines=lambda lines: (
    itertools.takewhile(lambda line: '"finish_reason": "' not in line, lines)))  # fmt: skip
_wrong("says 0 for what never came", "Then its value is None", missing=0.0)
_wrong("collects the lines first", "at the end of the stream", lines=list)
_wrong("indexes without a look", "has no choices", delta_of=lambda chunk: chunk["choices"][0]["delta"])
_wrong("trusts that there is a text", "a value may be None", visible=lambda delta: bool(delta["content"].strip()))


@EXERCISE.wrong("takes the first line for the headers", says="before any line is")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    sent, times = clock(), dict.fromkeys(NAMES)
    for _ in send():
        if times["t_headers"] is None:
            times["t_headers"] = clock() - sent
    return times


@EXERCISE.wrong("starts its clock behind send()", says="Your t_headers is 0")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    lines = send()
    sent, times = clock(), dict.fromkeys(NAMES)
    times["t_headers"] = clock() - sent
    for _ in lines:
        times["e2e"] = clock() - sent
    return times


@EXERCISE.wrong("wants a choice in the first chunk", says="It could have stopped before")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    sent, times = clock(), dict.fromkeys(NAMES)
    lines = send()
    times["t_headers"] = clock() - sent
    for line in lines:
        at = clock() - sent
        choices = parse(line)["choices"] if line.startswith("data: {") else []
        if choices:
            times["ttfc"] = at if times["ttfc"] is None else times["ttfc"]
            if _token(choices[0]["delta"]):
                times["e2e"] = at
                times["ttft"] = at if times["ttft"] is None else times["ttft"]
            if _visible(choices[0]["delta"]):
                times["ttfv"] = at if times["ttfv"] is None else times["ttfv"]
    return times


@EXERCISE.wrong("rounds to milliseconds", says="rounding is for printing")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    sent, times = clock(), dict.fromkeys(NAMES)
    lines = send()
    times["t_headers"] = round(clock() - sent, 3)
    for _ in lines:
        times["e2e"] = round(clock() - sent, 3)
    return times


@EXERCISE.wrong("parses [DONE]", says="'data: [DONE]' holds no JSON")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    sent, times = clock(), dict.fromkeys(NAMES)
    for line in send():
        if line.startswith("data:") and parse(line)["choices"]:
            times["e2e"] = clock() - sent
    return times


@EXERCISE.wrong("sends for each clock", says="each call is a request")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    times = {}
    for name in NAMES:
        sent = clock()
        send()
        times[name] = clock() - sent
    return times


@EXERCISE.wrong("returns a list", says="Return a dict with the keys")
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    sent = clock()
    return [clock() - sent for _ in send()]


@EXERCISE.right
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    # First all times, then all looks at what came; only reading takes place while the stream runs.
    sent = clock()
    body = send()
    headers = clock() - sent
    seen = [(clock() - sent, line) for line in body]
    chunks = [(at, json.loads(line[6:])["choices"]) for at, line in seen if line[:7] == "data: {"]
    deltas = [(at, choice["delta"]) for at, choices in chunks for choice in choices]
    tokens = [at for at, delta in deltas if _token(delta)]
    visible = [at for at, delta in deltas if _visible(delta)]
    return {
        "t_headers": headers,
        "ttfc": chunks[0][0] if chunks else None,
        "ttft": min(tokens, default=None),
        "ttfv": min(visible, default=None),
        "e2e": max(tokens, default=None),
    }


@EXERCISE.right
def _(send, clock, parse):  # type: ignore[no-untyped-def]
    # One step for each line, with what is not known yet kept as None.
    first_chunk = first_token = first_visible = last = None
    zero = clock()
    stream = send()
    headers_at = clock()
    while (line := next(stream, None)) is not None:
        now = clock()
        if not line.startswith("data:") or line.endswith("[DONE]"):
            continue
        if first_chunk is None:
            first_chunk = now - zero
        for choice in parse(line)["choices"]:
            match choice["delta"]:
                case {"reasoning_content": str(thought)} if thought:
                    first_token = first_token or now - zero
                    last = now - zero
                case {"content": str(text)} if text:
                    first_token = first_token or now - zero
                    last = now - zero
                    if not text.isspace():
                        first_visible = first_visible or now - zero
    return dict(t_headers=headers_at - zero, ttfc=first_chunk, ttft=first_token, ttfv=first_visible, e2e=last)
