"""Exercise 5.4: the same information, in the order that a prefix cache likes best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.subject import Subject

OURS = ("system", "developer")
ROLES = (*OURS, "user", "assistant")
REQUESTS = 20
SHOWN = 32
"""Letters of a text that a message quotes."""
NAMES = ("Ada", "Bela", "Chidi", "Dana", "Emre", "Fumiko", "Gita", "Hugo")
TOOLS = ("weather", "calendar", "orders", "stock", "refund", "map", "search", "translate")
WORDS = ("chair", "lamp", "desk", "late", "blue", "broken", "Oslo", "Lima", "today", "seven", "twice", "gift", "return")

Message = dict[str, str]
Facts = dict[str, Any]


@dataclass(frozen=True)
class _Request:
    """What the application has: whose conversation it is, how far it has come, and the facts."""

    number: int
    user: int
    messages: tuple[tuple[str, str], ...]
    facts: Facts

    def asked(self) -> list[Message]:
        return [{"role": role, "content": content} for role, content in self.messages]

    def told(self) -> Facts:
        return self.facts | {"tools": list(self.facts["tools"])}

    @property
    def static(self) -> list[str]:
        """What is the same in all requests."""
        return [self.facts["rules"], *self.facts["tools"]]


@dataclass(frozen=True)
class _Sent:
    """A request as it was arranged: its whole text, and where each piece of information stands in it."""

    request: _Request
    text: str
    spans: dict[str, tuple[int, int]]


def check(answer: Subject, draw: Random) -> None:
    _judge(answer, _session(draw, stable=6))
    for _ in range(3):
        _judge(answer, _session(draw))


def _session(draw: Random, stable: int = 0) -> list[_Request]:
    """Twenty requests of some users; the tools come in another order each time, but for the ``stable`` first ones."""
    rules = f"You serve customers of {draw.choice(['Lund', 'Moss', 'Hafen'])}. " + " ".join(
        f"Rule {number}: {_words(draw, 6)}." for number in range(12)
    )
    tools = [f"{name}: {_words(draw, 4)} {draw.randint(100, 999)}" for name in draw.sample(TOOLS, 6)]
    names, second = draw.sample(NAMES, 4), draw.randint(0, 30_000)
    talks: dict[int, tuple[tuple[str, str], ...]] = {}
    requests = []
    for number in range(1, REQUESTS + 1):
        user = (0, 0, 1, 0)[number - 1] if number <= 4 else draw.randrange(4)
        if number > 4 and draw.random() < 0.1:
            talks[user] = ()
        question = ("user", f"Question {number}: {_words(draw, 5)}?")
        talks[user] = (*talks.get(user, ()), question)
        second += draw.randint(11, 400)
        tools = tools if number <= stable else draw.sample(tools, len(tools))
        facts = {"rules": rules, "tools": tools, "user": _profile(names[user], user), "time": _time(second)}
        requests.append(_Request(number, user, talks[user], facts))
        talks[user] = (*talks[user], ("assistant", f"Answer {number}: {_words(draw, 9)}."))
    return requests


def _words(draw: Random, count: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(count))


def _profile(name: str, user: int) -> str:
    return f"{name} is customer {4711 + user} and wants short answers."


def _time(second: int) -> str:
    return f"It is {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}."


def _judge(answer: Subject, requests: Sequence[_Request]) -> None:
    before: list[_Sent] = []
    for request in requests:
        sent = _arranged(answer, request)
        if before:
            _cached(sent, before)
        before.append(sent)


def _arranged(answer: Subject, request: _Request) -> _Sent:
    """What the answer makes of a request, with nothing missing."""
    messages, facts = request.asked(), request.told()
    got = answer.call(messages, facts)
    given = {"given": f"request {request.number}: facts={_short(request.facts)}, messages={_short(request.asked())}"}
    changed = [name for name, now, before in (
        ("messages", messages, request.asked()), ("facts", facts, request.told())) if now != before]  # fmt: skip
    if changed:
        why = f"Your function changed what it was given: {' and '.join(changed)}. The application goes on with it: make a copy."
        raise NotYet(why, **given)
    if not isinstance(got, list) or not all(map(_is_message, got)):
        raise NotYet("Return a list of messages, each a dict of 'role' and 'content'.", **given, got=_short(got))
    if why := _missing(request, got):
        raise NotYet(f"Request {request.number}: {why}", **given, got=_short(got))
    text = "".join(f"<{one['role']}>\n{one['content']}\n" for one in got)
    pieces = [
        *request.static,
        request.facts["user"],
        request.facts["time"],
        *(content for _, content in request.messages),
    ]
    starts = {piece: text.index(piece) for piece in pieces}
    return _Sent(request, text, {piece: (start, start + len(piece)) for piece, start in starts.items()})


def _short(value: Any) -> Any:
    """The same with only the beginning of each text, so that its order can be seen at a glance."""
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value]
    return value if not isinstance(value, str) or len(value) <= SHOWN else f"{value[:SHOWN]}..."


def _is_message(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and set(one) == {"role", "content"}
        and one["role"] in ROLES
        and type(one["content"]) is str
    )


def _missing(request: _Request, got: list[Message]) -> str:
    """Which information is not there, or stands where it means something else."""
    question = request.messages[-1][1]
    yours = [one["content"] for one in got if one["role"] in OURS or question in one["content"]]
    said, everything = "\n".join(yours), "\n".join(one["content"] for one in got)
    facts = request.facts
    named = {facts["rules"]: "the rules are", facts["user"]: "the user's line is", facts["time"]: "the time is"}
    for piece in (*request.static, facts["user"], facts["time"]):
        what = named.get(piece, "a tool is")
        if said.count(piece) > 1:
            return f"{what} there twice. The model reads both, and you pay for both."
        if piece in everything and piece not in said:
            return (
                f"{what} in a message of the conversation. Who says it there? It comes from you: system or developer."
            )
        if piece not in said:
            return f"{what} missing, or no longer letter by letter what it was. The same information, in another order."
    place = 0
    for role, content in request.messages:
        found = [at for at in range(place, len(got)) if got[at]["role"] == role and content in got[at]["content"]]
        if not found:
            return f"{content!r} is missing, or no longer a message of the role {role!r} in its place."
        place = found[0] + 1
    return ""


def _cached(sent: _Sent, before: Sequence[_Sent]) -> None:
    """Whether nothing is read again that an earlier request has had, apart from what the time makes unavoidable."""
    best = max(before, key=lambda other: _common(sent.text, other.text))
    shared = _common(sent.text, best.text)
    late = [piece for piece in _known(sent, before) if sent.spans[piece][1] > shared]
    if late:
        facts = {
            "given": f"requests {before[0].request.number} to {sent.request.number}",
            "got": Words(f"{shared} of {len(sent.text)} letters as before, then: {sent.text[shared : shared + 60]!r}"),
        }
        raise NotYet(_why(sent, best, shared, late), **facts)


def _common(left: str, right: str) -> int:
    pairs = zip(left, right, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def _known(sent: _Sent, before: Sequence[_Sent]) -> list[str]:
    """The pieces that an earlier request has had in the same order of things."""
    request = sent.request
    mine = [other.request for other in before if other.request.user == request.user]
    old = {content for other in mine for _, content in other.messages}
    talk = [content for _, content in request.messages if content in old]
    return [*request.static, *([request.facts["user"]] if mine else []), *talk]


def _why(sent: _Sent, best: _Sent, shared: int, late: list[str]) -> str:
    """What stands in the way of the cache: the piece at which this request parts from the earlier one that is most like it."""
    request = sent.request
    number, user, static = request.number, request.facts["user"], set(request.static)
    here, there = _next(sent, shared), _next(best, shared)
    if here == request.facts["time"] or there == best.request.facts["time"]:
        return _behind_time(sent, late, static)
    if not _at(sent, here, shared):
        return f"Request {number} parts from all before it at words of your own. They must be the same each time."
    if here in request.facts["tools"] and _in_front(sent, static, here):
        return f"Request {number}'s tools were in another order than before. They come in any order: sort them."
    if here == user and static & set(late):
        return f"Request {number} shares nothing behind the user's line with other users. What all have in common comes first."
    if static & set(late):
        return f"In request {number} what is the same for all stands behind what is not: the long text was read again."
    if user in late:
        return f"In request {number} the user's line was read again. It is the same in the whole conversation: put it in front."
    return f"In request {number} old messages were read again. Keep them as they were, in front of what is new."


def _next(sent: _Sent, shared: int) -> str:
    """The first piece that does not lie in the shared beginning."""
    return min((piece for piece, (_, end) in sent.spans.items() if end > shared), key=lambda piece: sent.spans[piece])


def _at(sent: _Sent, piece: str, shared: int) -> bool:
    """Whether nothing but the mark of a role stands between the shared beginning and this piece."""
    between = sent.text[shared : sent.spans[piece][0]]
    return any(f"\n<{role}>\n".endswith(between) for role in ROLES)


def _in_front(sent: _Sent, static: set[str], culprit: str) -> bool:
    """Whether nothing but rules and tools stands before this tool."""
    others = [span for piece, span in sent.spans.items() if piece not in static]
    return all(start > sent.spans[culprit][0] for start, _ in others)


def _behind_time(sent: _Sent, late: list[str], static: set[str]) -> str:
    number, time, user = sent.request.number, sent.request.facts["time"], sent.request.facts["user"]
    if static & set(late):
        return f"Request {number} parts from all before it at the time, and the long text stands behind. Nothing of it is cached."
    if user in late and sent.spans[user] > sent.spans[time]:
        return f"In request {number} the user's line stands behind the time, so it was read again."
    if user in late:
        return f"In request {number} the user's line was read again. It is the same in the whole conversation: put it in front."
    if sent.spans[time] < sent.spans[sent.request.messages[0][1]]:
        return f"In request {number} the time stands before the conversation, so all of that was read again."
    return (
        f"In request {number} the time stands before the last question. In the next one it is gone, and that question is read "
        "again."
    )


EXERCISE = Exercise(
    id="5.4",
    title="arrange",
    function="arrange",
    minutes=15,
    points=3,
    core=False,
    hints=(
        "Lay two requests of one user beside each other, and one of another user: how far are they the same, letter by letter?",
        "Sort what you have by how often it changes: never, with the user, by growing at its end, with every request. Things that "
        "come in any order need an order of their own.",
        'In front stand facts["rules"], sorted(facts["tools"]) and facts["user"], each a system message. Then come all messages; '
        "which fact is left, and where does it do no harm?",
    ),
    reason="A prefix cache knows the beginning of a prompt up to the first letter that differs. So what never changes comes first, "
    "then what changes seldom, and the time last: there it costs itself, in front it costs everything behind it.",
    check=check,
)

# ------------------------------------------------------------------------------------- the reference and its mistakes


def _system(*texts: str) -> Message:
    return {"role": "system", "content": "\n".join(texts)}


def _wrong(name: str, says: str, made: Callable[[list[Message], Facts], Any]) -> None:
    def arrange(messages: Any, facts: Any) -> Any:
        return made(messages, facts)

    EXERCISE.wrong(name, says=says)(arrange)


def _all(facts: Facts) -> list[str]:
    return [facts["rules"], *sorted(facts["tools"])]


_wrong("puts the time first", "the long text stands behind", lambda messages, facts: [
    _system(facts["time"], *_all(facts), facts["user"]), *messages])  # fmt: skip
_wrong("puts the time behind the rules and before the tools", "Nothing of it is cached", lambda messages, facts: [
    _system(facts["rules"], facts["time"], *sorted(facts["tools"]), facts["user"]), *messages])  # fmt: skip
_wrong("puts the user first", "with other users", lambda messages, facts: [
    _system(facts["user"], *_all(facts)), *messages, _system(facts["time"])])  # fmt: skip
_wrong("takes the tools as they come", "Request 7's tools were in another order", lambda messages, facts: [
    _system(facts["rules"], *facts["tools"], facts["user"]), *messages, _system(facts["time"])])  # fmt: skip
_wrong("puts the time before the user", "stands behind the time", lambda messages, facts: [
    _system(*_all(facts)), _system(facts["time"]), _system(facts["user"]), *messages])  # fmt: skip
_wrong("puts the time before the conversation", "before the conversation", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), _system(facts["time"]), *messages])  # fmt: skip
_wrong("puts the time before the last question", "and that question is read again", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), *messages[:-1], _system(facts["time"]), messages[-1]])  # fmt: skip
_wrong("puts the long text last", "the long text was read again", lambda messages, facts: [
    _system(facts["user"]), *messages, _system(*_all(facts)), _system(facts["time"])])  # fmt: skip
_wrong("puts the tools behind the conversation", "stands behind what is not", lambda messages, facts: [
    _system(facts["rules"], facts["user"]), *messages, _system(*sorted(facts["tools"]), facts["time"])])  # fmt: skip
_wrong("puts the user behind the conversation", "the user's line was read again", lambda messages, facts: [
    _system(*_all(facts)), *messages, _system(facts["user"]), _system(facts["time"])])  # fmt: skip
_wrong("leaves the time out", "the time is missing", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), *messages])  # fmt: skip
_wrong("cuts the seconds off", "no longer letter by letter", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), *messages, _system(facts["time"][:11])])  # fmt: skip
_wrong("leaves the user out", "the user's line is missing", lambda messages, facts: [
    _system(*_all(facts)), *messages, _system(facts["time"])])  # fmt: skip
_wrong("leaves the rules out", "the rules are missing", lambda messages, facts: [
    _system(*sorted(facts["tools"]), facts["user"]), *messages, _system(facts["time"])])  # fmt: skip
_wrong("leaves a tool out", "a tool is missing", lambda messages, facts: [
    _system(*_all(facts)[:-1], facts["user"]), *messages, _system(facts["time"])])  # fmt: skip
_wrong("says the rules twice", "there twice", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), *messages, _system(facts["time"], facts["rules"])])  # fmt: skip
_wrong("sends the last question only", "'Question 1: ", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), messages[-1], _system(facts["time"])])  # fmt: skip
_wrong("makes one text of the conversation", "no longer a message of the role 'user'", lambda messages, facts: [
    _system(*_all(facts), facts["user"], *(one["content"] for one in messages)), _system(facts["time"])])  # fmt: skip
_wrong("turns the conversation round", "in its place", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), *reversed(messages), _system(facts["time"])])  # fmt: skip
_wrong("numbers the messages", "words of your own", lambda messages, facts: [
    _system(f"{len(messages)} messages", *_all(facts), facts["user"]), *messages, _system(facts["time"])])  # fmt: skip
_wrong("lets the model say the facts", "Who says it there?", lambda messages, facts: [
    {"role": "assistant", "content": "\n".join([*_all(facts), facts["user"]])}, *messages, _system(facts["time"])])  # fmt: skip
_wrong("returns a text", "Return a list of messages", lambda messages, facts: "\n".join(_all(facts)))
_wrong("takes messages out of the list it was given", "changed what it was given", lambda messages, facts: [
    _system(*_all(facts), facts["user"]), messages.pop(0), *messages, _system(facts["time"])])  # fmt: skip
_wrong("sorts the tools in place", "changed what it was given", lambda messages, facts: [
    facts["tools"].sort(), _system(*_all(facts), facts["user"]), *messages, _system(facts["time"])])  # fmt: skip


@EXERCISE.right
def _(messages, facts):  # type: ignore[no-untyped-def]
    # One message in front, and the time in the last question, behind its text.
    front = f"{facts['rules']}\n\nTools:\n- " + "\n- ".join(sorted(facts["tools"])) + f"\n\nThe user: {facts['user']}"
    *old, last = messages
    return [_system(front), *old, {**last, "content": f"{last['content']}\n\n{facts['time']}"}]


@EXERCISE.right
def _(messages, facts):  # type: ignore[no-untyped-def]
    # A message for each fact; the tools by their names, from Z to A.
    arranged = [{"role": "developer", "content": tool} for tool in sorted(facts["tools"], reverse=True)]
    arranged.append({"role": "developer", "content": "Follow these rules. " + facts["rules"]})
    arranged.append({"role": "system", "content": facts["user"]})
    arranged.extend(messages)
    arranged.append({"role": "developer", "content": facts["time"]})
    return arranged
