"""Exercise 2.3: put a streamed answer together again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from course_utils.checks.exercise import Exercise, NotYet, Words
from course_utils.checks.prepared import prepared
from course_utils.checks.subject import NoAnswer, Raised, Subject
from course_utils.clock import VirtualClock
from course_utils.mock import MockServer

PLACES = ("Oslo", "Rome", "Lima", "Cairo", "Quito", "Turin")
WORDS = ("yes", "no", "rain", "sun", "soon", "in the morning", "1", "°C", "🎉", "null")
TOOLS = ("weather", "clock", "news")
KEYS = ("content", "tool_calls", "finish_reason")

Whole = dict[str, Any]


@dataclass(frozen=True)
class _Means:
    """What an error of these kinds means in a case."""

    kinds: tuple[str, ...]
    why: str


NOTHING = _Means((), "")


@dataclass(frozen=True)
class _Case:
    """Chunks, and what they make together.

    ``raised`` is what an error of the answer means here, ``wrong`` any other fault, if it tells more.
    """

    what: str
    chunks: list[Any]
    whole: Whole
    raised: _Means = NOTHING
    wrong: str = ""

    @property
    def given(self) -> str:
        return f"{len(self.chunks)} chunks: {self.what}"


def check(answer: Subject, draw: Random) -> None:
    for case in _cases(draw):
        _judge(answer, case)


@prepared
def _cases(draw: Random) -> Iterator[_Case]:
    with MockServer(lambda prompt: prompt, clock=VirtualClock()).client() as client:
        make = _Maker(client.chat.completions.create, draw)
        yield from _one_text(make)
        yield from _several(make)
        yield from _real_life(make)
        yield from _other_services(make)
        for _ in range(8):
            yield make.drawn()


def _one_text(make: _Maker) -> Iterator[_Case]:
    text = make.text("Tomorrow it will rain.")
    yield _cut(text, 3)
    none = "The content of a delta may be None, as in the chunk with the finish reason. None is no text."
    yield _alone("a text, and its finish reason in the last chunk", text, raised=_Means(("TypeError",), none))
    why = "One chunk has no choices. Which one, and why? It carries the usage and comes last, if it was asked for."
    usage = _Means(("IndexError",), why)
    yield _alone("a text, and behind it a chunk with the usage", text, usage=True, raised=usage)


def _several(make: _Maker) -> Iterator[_Case]:
    text, other = make.text("Tomorrow it will rain."), make.text("Take an umbrella, please!")
    yield make.merged("two answers (n=2), token by token in turn", [text, other], turns=True)
    yield _alone("one tool call, its arguments in fragments", make.calls(1), raised=NO_JSON)
    yield _alone("two tool calls, their fragments in turn", make.calls(2), raised=NO_JSON)
    three = [make.calls(2), other, make.calls(1)]
    yield replace(make.merged("three answers, a text between tool calls", three), raised=NO_JSON)
    yield make.merged("two answers, and that with index 1 comes first", [text, other], backwards=True)
    yield _alone("two tool calls, and that with index 1 comes first", make.calls(2, backwards=True))
    bundled = "A chunk may hold pieces of several choices. Go through all of them."
    case = _bundled(make.merged("two answers, and chunks with a choice of each", [text, other], turns=True))
    yield replace(case, wrong=bundled)


def _real_life(make: _Maker) -> Iterator[_Case]:
    """What services do and the mock does not."""
    text, calls = make.text("Tomorrow it will rain.", most=2), make.calls(2)
    yield _alone("a text that ends for its length", text, usage=True)
    silent = [_changed(chunk, finish_reason=None, delta={"content": None}) for chunk in text.chunks[-1:]]
    late = replace(text, chunks=[*text.chunks, *silent])
    yield _alone("a text, its finish reason, and a chunk that says nothing", late)
    begun = [_no_arguments(call) for call in calls.chunks[0].choices[0].delta.tool_calls]
    first = _changed(calls.chunks[0], delta={"tool_calls": begun})
    none = "The arguments of a fragment may be None, as in the first one of a call here. None is no text."
    case = _alone("two tool calls that begin without arguments", replace(calls, chunks=[first, *calls.chunks[1:]]))
    yield replace(case, raised=_Means(("TypeError",), none))


def _other_services(make: _Maker) -> Iterator[_Case]:
    """Streams of the same format with the same things in other places."""
    text = make.text(" Rain,\n\ntomorrow. \n")
    yield _alone("a text that begins and ends with white space", text)
    notice = text.last.model_copy(update={"usage": None})
    whole = _alone("a text, and in front of it a chunk without choices and without usage", text, usage=True)
    none = "A chunk without choices need not carry the usage: here one opens the stream, with neither."
    kinds = ("AttributeError", "IndexError", "TypeError")
    yield replace(whole, chunks=[notice, *whole.chunks], raised=_Means(kinds, none))
    *chunks, piece, _ = text.chunks
    last = _changed(piece, finish_reason="stop").model_copy(update={"usage": text.last.usage})
    together = replace(whole, what="a text; its last chunk has text, finish reason and usage", chunks=[*chunks, last])
    yield together
    early = text.last.usage.model_copy(update={"completion_tokens": 1})
    counted = [chunk.model_copy(update={"usage": early}) for chunk in chunks]
    what = "a text, the usage so far in each chunk, and behind them a chunk with nothing"
    yield replace(together, what=what, chunks=[*counted, last, notice])
    later = [_changed(chunk, index=1) for chunk in text.chunks]
    yield replace(_cut(text, 3), what="the answer with index 1 began, and the stream breaks off", chunks=later[:3])
    calls = make.calls(1)
    yield _alone("one tool call, with index 1", replace(calls, chunks=list(map(_second, calls.chunks))))


NO_JSON = _Means(
    ("JSONDecodeError",),
    "A fragment of the arguments is no JSON; the whole is, if the answer is whole. Put the texts together and leave them texts.",
)


# ------------------------------------------------------------------------------------------------- chunks of the mock


@dataclass(frozen=True)
class _Answer:
    """The chunks of one answer without the one with the usage, that one, and what they make."""

    chunks: list[Any]
    last: Any
    whole: Whole


@dataclass(frozen=True)
class _Maker:
    """Makes answers, as the real client reads them from the mock, which says what it is asked."""

    create: Any
    draw: Random

    def _ask(self, model: str, text: str, **options: Any) -> list[Any]:
        question: list[Any] = [{"role": "user", "content": text}]
        usage = {"include_usage": True}
        return list(self.create(model=model, messages=question, stream=True, stream_options=usage, **options))

    def text(self, text: str, most: int | None = None) -> _Answer:
        chunks = self._ask("mock-1", text, **({} if most is None else {"max_completion_tokens": most}))
        said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        ended = "stop" if said == text else "length"
        return _Answer(chunks[:-1], chunks[-1], {"content": said, "tool_calls": [], "finish_reason": ended})

    def calls(self, count: int, backwards: bool = False) -> _Answer:
        """An answer of tool calls. ``backwards`` lets the later call begin first, each in a chunk of its own."""
        places = self.draw.sample(PLACES, count)
        tools = [_tool(f"{self.draw.choice(TOOLS)}_{number}", place) for number, place in enumerate(places)]
        chunks = self._ask(f"mock-1;calls={count}", "x", tools=tools)
        begun = chunks[0].choices[0].delta.tool_calls
        calls = [
            {"id": call.id, "name": call.function.name, "arguments": json.dumps({"city": place}, separators=(",", ":"))}
            for call, place in zip(begun, places, strict=True)
        ]
        if backwards:
            chunks[:1] = [_changed(chunks[0], delta={"tool_calls": [call]}) for call in reversed(begun)]
        return _Answer(chunks[:-1], chunks[-1], {"content": "", "tool_calls": calls, "finish_reason": "tool_calls"})

    def merged(
        self, what: str, answers: list[_Answer], turns: bool = False, backwards: bool = False, usage: bool = True
    ) -> _Case:
        """Several answers in one stream: in turns, or as chance has it; ``backwards`` the last one begins."""
        queues = [_renumbered(answer, index) for index, answer in enumerate(answers)]
        chunks = [queues[-1].pop(0)] if backwards else []
        while left := [queue for queue in queues if queue]:
            chunks += [queue.pop(0) for queue in (left if turns else [self.draw.choice(left)])]
        return _case(what, chunks, answers, usage)

    def drawn(self) -> _Case:
        draw, answers = self.draw, []
        for _ in range(draw.randint(1, 3)):
            text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 6)))
            some = self.calls(draw.randint(1, 3), draw.random() < 0.5) if draw.random() < 0.5 else self.text(text)
            answers.append(some)
        backwards, usage = draw.random() < 0.5, draw.random() < 0.5
        return self.merged(f"drawn, index 0 to {len(answers) - 1}", answers, backwards=backwards, usage=usage)


def _tool(name: str, place: str) -> Any:
    city = {"type": "object", "properties": {"city": {"type": "string", "enum": [place]}}}
    return {"type": "function", "function": {"name": name, "parameters": city}}


def _changed(chunk: Any, delta: Whole | None = None, **fields: Any) -> Any:
    """The chunk with other fields in its choices and in their deltas."""
    choices = [
        choice.model_copy(update=fields | {"delta": choice.delta.model_copy(update=delta or {})})
        for choice in chunk.choices
    ]
    return chunk.model_copy(update={"choices": choices})


def _no_arguments(call: Any) -> Any:
    return call.model_copy(update={"function": call.function.model_copy(update={"arguments": None})})


def _second(chunk: Any) -> Any:
    """The chunk with the index of its tool calls raised by one."""
    calls = [call.model_copy(update={"index": call.index + 1}) for call in chunk.choices[0].delta.tool_calls or []]
    return _changed(chunk, delta={"tool_calls": calls or None})


def _renumbered(answer: _Answer, index: int) -> list[Any]:
    """Its chunks as those of the choice with that index."""
    return [_changed(chunk, index=index) for chunk in answer.chunks]


def _case(what: str, chunks: list[Any], answers: list[_Answer], usage: bool) -> _Case:
    """The chunks, with the usage behind them if it was asked for: that of the first answer, as if it were of all."""
    whole: Whole = {"choices": [answer.whole for answer in answers], "usage": None}
    if not usage:
        return _Case(what, chunks, whole)
    last = answers[0].last
    counted = {name: getattr(last.usage, name) for name in ("prompt_tokens", "completion_tokens")}
    return _Case(what, [*chunks, last], whole | {"usage": counted})


def _alone(what: str, answer: _Answer, usage: bool = False, raised: _Means = NOTHING) -> _Case:
    return replace(_case(what, answer.chunks, [answer], usage), raised=raised)


def _cut(answer: _Answer, count: int) -> _Case:
    """The stream broke off after its first chunks, long before the finish reason."""
    chunks = answer.chunks[:count]
    said = "".join(choice.delta.content for chunk in chunks for choice in chunk.choices)
    whole: Whole = {"content": said, "tool_calls": [], "finish_reason": None}
    return _Case("a role, then text, and the stream breaks off", chunks, {"choices": [whole], "usage": None})


def _bundled(case: _Case) -> _Case:
    """Two chunks made one, with the choices of both: the format allows it."""
    chunks, out = list(case.chunks), []
    while len(chunks) > 1 and chunks[1].choices:
        first, second = chunks.pop(0), chunks.pop(0)
        out.append(first.model_copy(update={"choices": [*first.choices, *second.choices]}))
    return _Case(case.what, [*out, *chunks], case.whole)


# -------------------------------------------------------------------------------------------------------- the verdict


def _judge(answer: Subject, case: _Case) -> None:
    try:
        got = answer.call(iter(case.chunks))
    except Raised as error:
        if error.kind not in case.raised.kinds:
            error.given = case.given
            raise
        raise NotYet(case.raised.why, given=case.given, got=Words(error), expected=case.whole) from None
    except NoAnswer as error:
        if error.reason != "not_plain":
            raise
        why = "An object of the client is in what you return. Take numbers and texts out of it: usage is a dict of two numbers."
        raise NotYet(why, given=case.given, expected=case.whole) from None
    why = _trouble(got, case)
    if why:
        raise NotYet(case.wrong or why, given=case.given, got=got, expected=case.whole)


def _trouble(got: Any, case: _Case) -> str:
    """The first thing that is wrong, or nothing."""
    if not isinstance(got, dict) or set(got) != {"choices", "usage"} or not isinstance(got["choices"], list):
        return "Return a dict with the keys choices and usage; choices is a list with a dict for each choice."
    choices, right = got["choices"], case.whole["choices"]
    if any(not isinstance(choice, dict) or set(choice) != set(KEYS) for choice in choices):
        return f"Each choice is a dict with the keys {', '.join(KEYS)}, and no others."
    if not choices:
        return "No answer came out. A stream can be gone through once: whoever loops over it again finds it empty."
    if len(choices) != len(right):
        if len(choices) > len(right):
            return (
                f"{_answers(right)} came, and you returned {len(choices)}. An answer is there once a chunk has brought a "
                "piece of it; its index is its name, and no place in a list."
            )
        return (
            f"The answers are mixed or missing: {len(right)} came, you returned {len(choices)}. A choice says by its "
            "index whose piece it is."
        )
    if choices != right and sorted(choices, key=repr) == sorted(right, key=repr):
        return "The answers are in another order. Their index counts, not which one began first."
    for mine, its in zip(choices, right, strict=True):
        if why := _content(mine["content"], its["content"], case) or _tools(
            mine["tool_calls"], its["tool_calls"], case
        ):
            return why
        if mine["finish_reason"] != its["finish_reason"]:
            return _reason(mine["finish_reason"], its["finish_reason"])
    return _usage(got["usage"], case.whole["usage"])


def _answers(some: list[Any]) -> str:
    return f"{len(some)} answer{'' if len(some) == 1 else 's'}"


def _content(got: Any, right: str, case: _Case) -> str:
    if got == right:
        return ""
    if not isinstance(got, str):
        return "content is a text, and an empty one where nothing was said."
    if "None" in got and "None" not in right:
        return "The content of some deltas is None, and became the word None. It means that there is no text in them."
    if not got and right:
        return (
            "No text came out. A role chunk has empty content, and that is not the end; and a stream can be gone through "
            "only once."
        )
    if right.endswith(got):
        return "Only the last piece of the text is there. A delta is what is new: put all of them together."
    if right.startswith(got):
        return (
            "The text ends too early. An empty piece, or a None, is not the end of the stream, and the chunk with the finish "
            "reason may have text, too."
        )
    if "".join(got.split()) == "".join(right.split()):
        return "White space was changed. The pieces bring theirs along: put them together as they are."
    if len(case.whole["choices"]) > 1:
        return "The answers are mixed. A choice says by its index whose piece it is."
    return "The text is another one: put the pieces together in the order in which they come."


MIXED_CALLS = "The calls of several answers are mixed. The index of a call counts within its answer."


def _tools(got: Any, right: list[Whole], case: _Case) -> str:
    if got == right:
        return ""
    keys = {"id", "name", "arguments"}
    if not isinstance(got, list) or any(not isinstance(call, dict) or set(call) != keys for call in got):
        return (
            "tool_calls is a list, empty where nothing is called; each call is a dict with the keys id, name and "
            "arguments."
        )
    if any(isinstance(call["arguments"], dict) for call in got):
        return "The arguments were read as JSON. Leave them the text they are: an answer may end in the middle of them."
    others = [call["id"] for choice in case.whole["choices"] for call in choice["tool_calls"] if call not in right]
    if any(id in str(call["id"]) for call in got for id in others):
        return MIXED_CALLS
    if len(got) < len(right):
        if not got:
            return f"{len(right)} calls came, you returned none. They stand in delta.tool_calls, beside the content."
        return (
            f"{len(right)} calls were interleaved, you produced {len(got)}. A fragment says by its index to which "
            "call it belongs."
        )
    if len(got) > len(right) and not all(call["id"] for call in got[: len(right)]):
        return "A call came out that nobody began. Its index is the name of a call, and no place in a list."
    if len(got) > len(right):
        return (
            "Every fragment became a call of its own. Those with the same index are one call; only the first has id "
            "and name."
        )
    if sorted(got, key=repr) == sorted(right, key=repr):
        return "The calls are in another order. Their index counts, not which one began first."
    for mine, its in zip(got, right, strict=True):
        if mine["id"] != its["id"] or mine["name"] != its["name"]:
            return (
                "Only the first fragment of a call has an id and a name; in all others they are None. Keep what the "
                "first one said."
            )
    pairs = [(str(mine["arguments"]), its["arguments"]) for mine, its in zip(got, right, strict=True)]
    if others and any(len(mine) > len(its) for mine, its in pairs):
        return MIXED_CALLS
    if any(mine != its and its.endswith(mine) for mine, its in pairs):
        return "Of the arguments only the last fragment is there. Put all of them together."
    return (
        "The arguments are mixed up. A fragment says by its index to which call it belongs, and a choice to which "
        "answer."
    )


def _reason(got: Any, right: str | None) -> str:
    if right is None:
        return "This stream broke off before its finish reason came. Then nobody knows how it ended: leave None."
    if got is None:
        return (
            f"The finish reason {right!r} came, and is gone. It stands in one chunk only, at the choice; in all "
            "others it is None."
        )
    return "The finish reason is another one. Take it from the choice to which it belongs."


def _usage(got: Any, right: Whole | None) -> str:
    if got == right:
        return ""
    if right is None:
        return "Nobody asked for the usage, so no chunk carried it: leave None."
    if got is None:
        return (
            "A chunk carried the usage, and you returned None. Any chunk may carry it, also one with choices, and one behind "
            "it without usage takes nothing back."
        )
    if isinstance(got, dict) and set(got) == set(right):
        return "Other numbers. If several chunks carry the usage, each counts all so far: take the last, and add nothing up."
    return "usage is a dict of two numbers, prompt_tokens and completion_tokens, as the chunk with the usage has them."


EXERCISE = Exercise(
    id="2.3",
    title="assemble",
    function="assemble",
    minutes=15,
    points=3,
    core=False,
    hints=(
        "Look at what the cell above prints, a line a chunk. Which fields are filled in the first one, in those in the "
        "middle, and in the last ones?",
        "Keep a dict of answers by choice.index, and in each a dict of calls by the index of the fragment. Add texts where they "
        "are not None; lists are made of the dicts at the very end.",
        "For each chunk: take usage if it is there; for each choice: answer = answers.setdefault(choice.index, {...}), add "
        "delta.content or '', and for each part of delta.tool_calls or [] do the same once more with part.index.",
    ),
    reason="A chunk is what is new, and its place is told by an index: of the choice, and of the call. Everything in a delta may "
    "be missing. The arguments stay text, because only a stream that has ended well has made them whole.",
    check=check,
)

EXERCISE.survive(
    "reason and text of a choice do not touch each other",
    'answer["finish_reason"] = choice.finish_reason or answer["finish_reason"] '
    '(moved before "answer["content"] += choice.delta.content or """)',
)


def _assembled(chunks: Iterator[Any], part: str = "") -> Any:
    """The reference, with one mistake called ``part``; for the wrong answers below."""
    answers: dict[int, Whole] = {}
    usage = None
    for chunk in chunks:
        if _counts(chunk, part, usage):
            now = {"prompt_tokens": chunk.usage.prompt_tokens, "completion_tokens": chunk.usage.completion_tokens}
            if part == "usage added up" and usage:
                now = {name: usage[name] + now[name] for name in now}
            usage = now
            usage = chunk.usage.to_dict() if part == "all of the usage" else usage
        elif part == "last usage" and not chunk.usage:
            usage = None
        choices = [chunk.choices[0]] if part == "first choice" else chunk.choices
        for choice in choices[:1] if part == "one choice a chunk" else choices:
            delta, index = choice.delta, 0 if part == "one answer" else choice.index
            if part == "empty is the end" and delta.content == "":
                return {"choices": [{"content": "", "tool_calls": [], "finish_reason": None}], "usage": None}
            answer = answers.setdefault(index, {"content": "", "tool_calls": {}, "finish_reason": None})
            unseen = part == "nothing with the end" and choice.finish_reason
            _say(answer, None if unseen else delta.content, part)
            for fragment in delta.tool_calls or []:
                _call(answer["tool_calls"], fragment, part)
            if choice.finish_reason or part == "last reason":
                answer["finish_reason"] = choice.finish_reason
            if part == "always stop":
                answer["finish_reason"] = "stop"
    for answer in answers.values():
        calls = answer["tool_calls"]
        answer["tool_calls"] = (
            list(calls.values()) if part == "calls as they began" else [calls[at] for at in sorted(calls)]
        )
        if part == "parsed":
            for call in answer["tool_calls"]:
                call["arguments"] = json.loads(call["arguments"])
    order = answers if part == "answers as they began" else sorted(answers)
    return {"choices": [answers[index] for index in order], "usage": None if part == "no usage" else usage}


def _counts(chunk: Any, part: str, usage: Whole | None) -> bool:
    """Whether the usage of this chunk is looked at."""
    if part == "usage without choices":
        return not chunk.choices
    return bool(chunk.usage) and not (part == "first usage" and usage)


def _say(answer: Whole, content: str | None, part: str) -> None:
    if part == "None as text":
        answer["content"] += str(content)
    elif part == "None is added":
        answer["content"] += content
    elif part == "last delta":
        answer["content"] = content or answer["content"]
    elif part == "stripped":
        answer["content"] += (content or "").strip()
    else:
        answer["content"] += content or ""


def _call(calls: dict[int, Whole], fragment: Any, part: str) -> None:
    index = {"one call": 0, "a call a fragment": len(calls)}.get(part, fragment.index)
    call = calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
    said = fragment.function.arguments
    if part == "last id":
        call["id"], call["name"] = fragment.id, fragment.function.name
    else:
        call["id"], call["name"] = call["id"] or fragment.id, call["name"] or fragment.function.name
    if part == "fragments are JSON":
        said = json.dumps(json.loads(said))
    call["arguments"] = said if part == "last fragment" else call["arguments"] + (said or "")


MISTAKES = {
    "first choice": ("indexes choices without looking", "One chunk has no choices"),
    "None is added": ("adds None to a text", "None is no text"),
    "None as text": ("writes None into the text", "became the word None"),
    "last delta": ("takes the last delta", "A delta is what is new"),
    "empty is the end": ("takes an empty text for the end", "that is not the end"),
    "stripped": ("tidies the pieces", "White space"),
    "one answer": ("ignores the index of choices", "mixed or missing"),
    "one choice a chunk": ("reads one choice a chunk", "pieces of several choices"),
    "answers as they began": ("orders answers as they began", "The answers are in another order"),
    "one call": ("has one buffer for all calls", "were interleaved, you produced 1"),
    "a call a fragment": ("makes a call of each fragment", "became a call of its own"),
    "calls as they began": ("orders calls as they began", "The calls are in another order"),
    "last id": ("takes id and name from the last fragment", "Only the first fragment"),
    "last fragment": ("takes the last fragment", "only the last fragment"),
    "fragments are JSON": ("reads each fragment as JSON", "A fragment of the arguments is no JSON"),
    "parsed": ("reads the arguments as JSON", "Leave them the text"),
    "last reason": ("takes the finish reason of the last chunk", "came, and is gone"),
    "always stop": ("makes up a finish reason", "broke off before its finish reason"),
    "no usage": ("leaves the usage out", "and you returned None. Any"),
    "last usage": ("forgets the usage at the next chunk", "takes nothing back"),
    "usage without choices": ("takes a chunk without choices for the usage", "with neither"),
    "first usage": ("takes the first usage", "take the last"),
    "usage added up": ("adds the usages up", "add nothing up"),
    "nothing with the end": ("takes no text from the chunk with the finish reason", "may have text, too"),
    "all of the usage": ("returns all that the usage has", "usage is a dict of two numbers"),
}


def _mistaken(part: str) -> Any:
    return lambda chunks: _assembled(chunks, part)


for _part, (_name, _says) in MISTAKES.items():
    EXERCISE.wrong(_name, says=_says)(_mistaken(_part))


@EXERCISE.wrong("adds arguments that are None", says="None, as in the first one of a call")
def _(chunks):  # type: ignore[no-untyped-def]
    seen = list(chunks)
    for chunk in seen:
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or []:
                "" + part.function.arguments
    return _assembled(iter(seen))


def _in_lists(chunks: Iterator[Any], answers_too: bool) -> Any:
    """The reference, with an index for a place in a list: of the calls, or of the answers as well."""
    whole = _assembled(iter(seen := list(chunks)))
    indices = sorted({choice.index for chunk in seen for choice in chunk.choices})
    for index, answer in zip(indices, whole["choices"], strict=True):
        mine = [choice for chunk in seen for choice in chunk.choices if choice.index == index]
        first = min((part.index for choice in mine for part in choice.delta.tool_calls or []), default=0)
        answer["tool_calls"][:0] = [{"id": None, "name": None, "arguments": ""} for _ in range(first)]
    if answers_too:
        empty: Whole = {"content": "", "tool_calls": [], "finish_reason": None}
        whole["choices"][:0] = [dict(empty) for _ in range(indices[0])]
    return whole


EXERCISE.wrong("has a list of answers", says="its index is its name")(lambda chunks: _in_lists(chunks, True))
EXERCISE.wrong("has a list of calls", says="that nobody began")(lambda chunks: _in_lists(chunks, False))


@EXERCISE.wrong("has one list of calls for all answers", says="of several answers are mixed")
def _(chunks):  # type: ignore[no-untyped-def]
    whole = _assembled(iter(seen := list(chunks)))
    calls: dict[int, Whole] = {}
    for part in [part for chunk in seen for choice in chunk.choices for part in choice.delta.tool_calls or []]:
        _call(calls, part, "")
    for answer in whole["choices"]:
        answer["tool_calls"] = [calls[index] for index in sorted(calls)] if answer["tool_calls"] else []
    return whole


@EXERCISE.wrong("tidies the text", says="White space was changed")
def _(chunks):  # type: ignore[no-untyped-def]
    whole = _assembled(chunks)
    return whole | {"choices": [choice | {"content": choice["content"].strip()} for choice in whole["choices"]]}


@EXERCISE.wrong("loops over the stream twice", says="gone through once")
def _(chunks):  # type: ignore[no-untyped-def]
    usage = next((chunk.usage for chunk in chunks if chunk.usage), None)
    return _assembled(chunks) | {"usage": usage and {"prompt_tokens": 1, "completion_tokens": 1}}


@EXERCISE.wrong("returns the client's usage", says="An object of the client")
def _(chunks):  # type: ignore[no-untyped-def]
    seen = list(chunks)
    return _assembled(iter(seen)) | {"usage": next((chunk.usage for chunk in seen if chunk.usage), None)}


@EXERCISE.wrong("returns the text alone", says="Return a dict")
def _(chunks):  # type: ignore[no-untyped-def]
    return _assembled(chunks)["choices"][0]["content"]


@EXERCISE.wrong("keeps the role, too", says="and no others")
def _(chunks):  # type: ignore[no-untyped-def]
    whole = _assembled(chunks)
    return whole | {"choices": [choice | {"role": "assistant"} for choice in whole["choices"]]}


@EXERCISE.right
def _(chunks):  # type: ignore[no-untyped-def]
    from collections import defaultdict

    texts, usage = defaultdict(list), None
    reasons: dict[int, Any] = {}
    calls = defaultdict(lambda: defaultdict(lambda: ["", "", ""]))  # type: ignore[var-annotated]
    for chunk in chunks:
        if chunk.usage is not None:
            usage = {name: getattr(chunk.usage, name) for name in ("prompt_tokens", "completion_tokens")}
        for choice in chunk.choices:
            texts[choice.index].append(choice.delta.content or "")
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
            for part in choice.delta.tool_calls or ():
                pieces = (part.id, part.function.name, part.function.arguments)
                old = calls[choice.index][part.index]
                calls[choice.index][part.index] = [
                    before + (new or "") for before, new in zip(old, pieces, strict=True)
                ]
    return {
        "choices": [
            {
                "content": "".join(texts[index]),
                "tool_calls": [
                    dict(zip(("id", "name", "arguments"), call, strict=True))
                    for _, call in sorted(calls[index].items())
                ],
                "finish_reason": reasons[index],
            }
            for index in sorted(texts)
        ],
        "usage": usage,
    }


@EXERCISE.right
def _(chunks):  # type: ignore[no-untyped-def]
    # First a list of everything that was said, then sorted by index, which keeps the order within an answer.
    seen = list(chunks)
    said = sorted((choice for chunk in seen for choice in chunk.choices), key=lambda choice: choice.index)
    choices = []
    for index in dict.fromkeys(choice.index for choice in said):
        mine = [choice for choice in said if choice.index == index]
        parts = sorted((part for choice in mine for part in choice.delta.tool_calls or []), key=lambda part: part.index)
        calls = []
        for part in parts:
            if part.id:
                calls.append({"id": part.id, "name": part.function.name, "arguments": ""})
            calls[-1]["arguments"] += part.function.arguments or ""
        reasons = [choice.finish_reason for choice in mine if choice.finish_reason]
        content = "".join(filter(None, (choice.delta.content for choice in mine)))
        choices.append({"content": content, "tool_calls": calls, "finish_reason": reasons[-1] if reasons else None})
    usage = next((chunk.usage for chunk in reversed(seen) if chunk.usage), None)
    counted = usage and {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return {"choices": choices, "usage": counted}
