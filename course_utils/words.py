"""The glossary: each word and metric of the course with its meaning, its unit, where it comes from and where it is met.

A metric means what its docstring in `metrics` says, so it is defined in one place. `find` tells which of the words a message
uses. Where a word is met is a lesson and a heading in it; the notebook ``lessons/glossary.ipynb`` shows all of it.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from course_utils import metrics

LESSONS = (
    "00_start_here",
    "01_why_streaming_matters",
    "02_token_by_token_generation",
    "03_transport_mechanisms",
    "04_streaming_tradeoffs",
    "05_first_token_latency",
    "06_full_response_latency",
    "07_use_cases_by_mode",
)
PAGE = "../lessons/glossary.ipynb"
"""Seen from any notebook of the course, in the learner's folder as well."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the course.

    ``also``: other forms of it, under which it is known, too. ``met``: a lesson's number and the heading under which it is
    met. ``plain``: its forms are ordinary English as well, so `find` does not take a sentence that has one for talk of it.
    """

    name: str
    meaning: str
    met: tuple[int, str]
    source: str
    unit: str = ""
    also: tuple[str, ...] = ()
    plain: bool = False

    @property
    def forms(self) -> tuple[str, ...]:
        return (self.name, *self.also)

    @property
    def place(self) -> str:
        """Where it is met, in words."""
        lesson, heading = self.met
        return f"lesson {lesson}, {heading}"

    @property
    def link(self) -> str:
        """Where it is met, for a notebook."""
        lesson, heading = self.met
        return f"../lessons/{LESSONS[lesson]}.ipynb#cell-id={cell_id(lesson, heading)}"


def cell_id(lesson: int, heading: str) -> str:
    """The id of the cell that begins with a heading, by which JupyterLab finds it, drawn or not: ``03-on-envelopes``."""
    return f"{lesson:02}-on-{re.sub(r'[^a-z0-9]+', '-', heading.lower()).strip('-')}"


def metric(
    name: str, met: tuple[int, str], source: str, unit: str = "seconds", *also: str, plain: bool = False
) -> Word:
    """A word for a function of `metrics`; its docstring's first paragraph is the meaning."""
    said = (getattr(metrics, name).__doc__ or "").split("\n\n")[0]
    return Word(name, " ".join(said.split()).replace("``", "`"), met, source, unit, also, plain)


OURS = "this course"
OPENAI = "OpenAI API reference, Chat Completions"
SSE = "WHATWG HTML, server-sent events"
HTTP = "RFC 9112 (HTTP/1.1)"
LEARNING = "Goodfellow and others 2016, Deep Learning"
SERVING = "NVIDIA NIM documents, 2026"
CLOCKS, TOOLS = (5, "One stream, five clocks"), (5, "What five tools would print")
PARTS, INSIDE = (2, "Anatomy of a stream"), (2, "Reading and writing")
ENVELOPES, TRANSPORTS = (3, "Envelopes"), (3, "Five transports, one clock")
LOAD, LEAKS = (5, "Two load generators, one frozen server"), (4, "The leak meter")
SPEEDS, CLIFF, PAIRS = (6, "Three speeds"), (6, "One user more"), (6, "A design that holds")
GATHER, LIMITS = (6, "The gather that isn't"), (6, "The time-out that never fired")
DECIDING, SHARING = (7, "Three decisions"), (7, "A board for everybody")

GROUPS: dict[str, tuple[Word, ...]] = {
    "Clocks and metrics": (
        metric("t_headers", CLOCKS, OURS),
        metric("ttfc", (1, "The first chunk is not the first word"), "OpenTelemetry, GenAI conventions", "seconds",
               "time to first chunk"),
        metric("ttft", CLOCKS, "MLPerf Inference rules; tools stop it elsewhere", "seconds", "time to first token"),
        metric("ttfv", (1, "Measure it"), f"{OURS}; AIPerf's TTFO and GuideLLM's TTFOT are near", "seconds",
               "time to first visible text"),
        metric("e2e", (1, "Measure it"), "vLLM bench, which calls it E2EL", "seconds", "end-to-end latency"),
        metric("arrivals", (1, "An imitation"), OURS, "seconds", "arrival"),
        metric("token_arrivals", (1, "The race with a reader"), OURS),
        metric("gaps", (1, "An imitation"), f"{OURS}; vLLM's ITL, AIPerf's ICL", "seconds", "gap"),
        metric("tpot", TOOLS, "vLLM bench; GuideLLM's TPOT is another", "seconds a token", "time per output token"),
        Word("ITL", "Inter-token latency, a name with three meanings: in vLLM the gaps between messages; in AIPerf and "
             "GuideLLM the mean time per token after the first, here `tpot`; LLMPerf shares out the first wait as well.",
             TOOLS, "vLLM, AIPerf, GuideLLM, LLMPerf, as read in 2026", "seconds", ("inter-token latency",)),
        Word("ICL", "Inter-chunk latency: AIPerf's name for the gaps between chunks.", TOOLS,
             "AIPerf, metrics reference", "seconds", ("inter-chunk latency",)),
        metric("user_tps", SPEEDS, "AIPerf, output token throughput per user", "tokens a second"),
        metric("e2e_tps", SPEEDS, OURS, "tokens a second"),
        Word("system_tps", "All tokens that a server made in a run, divided by the seconds of the run.", SPEEDS,
             "vLLM bench and AIPerf, output token throughput", "tokens a second"),
        Word("throughput", "What a server gets done in a second, whoever has waited how long for it.", CLIFF,
             "vLLM bench, AIPerf", "answers or tokens a second"),
        Word("goodput", "Answers a second that keep all limits one has set. A failure keeps none.", CLIFF,
             "vLLM bench, AIPerf", "answers a second"),
        Word("Little's law", "The number in the house is the arrivals per second times the seconds that each stays.",
             (6, "Little's law"), "Little 1961, Operations Research 9", "requests"),
        Word("base", "What a request costs before a token is read or written: the part of a latency that no token explains.",
             (6, "Where the time goes"), OURS, "seconds", plain=True),
        metric("percentile", LOAD, "the nearest-rank definition", "that of the values", "p50", "p95", "p99", "median"),
        metric("fewest_for", (5, "How many is enough?"), OURS, "values"),
        metric("reading", (1, "The race with a reader"), "speed: Brysbaert 2019, J. Memory and Language 109", "seconds",
               "READING_SPEED", plain=True),
        Word("round trip", "The time from sending something over a network to the first reply to it.", TRANSPORTS,
             "RFC 2681", "seconds"),
    ),
    "Two ways to answer": (
        Word("unary", "One request, one response: the answer comes whole.", (0, "The two modes at a glance"), "gRPC documents"),
        Word("streamed", "The pieces of an answer leave while the rest is being made.", (0, "The two modes at a glance"),
             OPENAI, plain=True),
        Word("batch", "Many requests handed in together and answered hours later, at a lower price. (Some texts call a unary "
             "call so.)", DECIDING, "OpenAI, Batch API", plain=True),
        Word("product", "What a service sells of one and the same model: the answer now, later, cheaper, or kept for you.",
             DECIDING, OURS, plain=True),
        Word("sync", "The product that everybody means: the answer now, on the connection that asked, at the full price.",
             DECIDING, OURS, plain=True),
        Word("flex", "A request of the usual form at about half the price, answered when there is room, or refused with 429.",
             DECIDING, "OpenAI, flex processing", plain=True),
        Word("background", "The service keeps the job and gives you a key, with which you come back for the answer.", DECIDING,
             "OpenAI, background mode", plain=True),
        Word("realtime", "A socket on which both sides speak, in voice or text.", DECIDING, "OpenAI, Realtime API", plain=True),
        Word("decision record", "A decision with its reasons, what was rejected, and when to look again, on one page.",
             (7, "One page"), "Nygard 2011, Documenting Architecture Decisions"),
        Word("on the wire", "How an answer travels between the model and you, streamed or unary. How it is shown is another "
             "decision.", (4, "The bill"), OURS, also=("wire mode", "display mode"), plain=True),
        Word("law of overlap", "Streaming lets a reader finish earlier by the smaller of two times, that to generate and that "
             "to read, if the pace is even.", (1, "The law of overlap"), OURS, "seconds"),
        Word("fake stream", "An answer that was held back whole and is then released piece by piece. Its timestamps tell.",
             (1, "The race with a reader"), OURS, also=("imitation",)),
        Word("ledger", "What the mock server writes down of each request: what it made, what it sent, when, and who ended it.",
             (1, "What the server says"), OURS),
        Word("virtual clock", "A clock on which waiting is arithmetic: nobody waits, and every time is exact.",
             (3, "Write the server's side"), OURS, "seconds", ("virtual time",)),
    ),
    "A streamed answer and its parts": (
        Word("token", "What a model reads and writes: a frequent run of letters, often with the space before it.",
             (2, "One turn of the crank"), "Sennrich and others 2016, arXiv 1508.07909"),
        Word("chunk", "One message of a stream. It may carry no text, one token, or several.",
             (2, "Chunk, token, character, byte"), OPENAI),
        Word("delta", "What a chunk adds: what is new, not what there is.", PARTS, OPENAI),
        Word("role chunk", "The first chunk of a stream: it says who speaks, and carries no text.",
             (1, "The first chunk is not the first word"), OPENAI),
        Word("finish reason", "Why the model stopped: `stop`, `length`, `tool_calls` or `content_filter`. A stream without one "
             "is not known to be whole.", PARTS, OPENAI, also=("finish_reason",)),
        Word("usage", "The server's own count of the tokens. In a stream it comes only if asked for, in a chunk without choices.",
             (2, "Chunk, token, character, byte"), OPENAI, "tokens"),
        Word("tool call", "An answer that asks your program to run a function; its arguments come in pieces, as a text of JSON.",
             (4, "Finished, and still not whole"), OPENAI),
        Word("error event", "A failure told inside a stream, after the status 200 has left.", (4, "Four endings"),
             "OpenAI and Anthropic, streaming documents"),
        Word("early end", "A stream that ends properly, but without a finish reason. Nothing is raised.", (4, "Four endings"),
             OURS),
        Word("closed", "Said of a field of unfinished JSON whose value can't change any more.", (4, "The card that fills itself"),
             OURS, plain=True),
    ),
    "Inside the model": (
        Word("logit", "A model's score for one token as the next, before it becomes a share of 1.", (2, "One turn of the crank"),
             LEARNING),
        Word("softmax", "Turns scores into shares of 1: exp of each, divided by the sum of them all.",
             (2, "One turn of the crank"), LEARNING),
        Word("sampling", "Choosing the next token by chance, each with its share.", (2, "One turn of the crank"),
             "Holtzman and others 2020, arXiv 1904.09751"),
        Word("temperature", "Divides the logits before softmax: 0 takes the likeliest token, more lets unlikely ones through.",
             (2, "A hundred answers"), OPENAI),
        Word("seed", "A number that fixes the draw, so that the same chance comes again.", (2, "A hundred answers"), OPENAI),
        Word("prefill", "Reading the prompt, in one go. The first token waits for it.", INSIDE, SERVING, "seconds"),
        Word("decode", "Making the answer, one token a step.", INSIDE, SERVING, "seconds a token", plain=True),
        Word("KV cache", "What a model keeps of each token (its keys and values), so that none is read twice.", INSIDE,
             "Pope and others 2022, arXiv 2211.05102"),
        Word("prefix cache", "A server's memory of prompts: one that begins like an earlier one is read from where they differ.",
             (5, "One timestamp"), "OpenAI, prompt caching", "tokens", ("prompt cache",)),
        Word("reasoning", "Tokens that a model makes before its answer; a service streams them or keeps them.", CLOCKS,
             "vLLM, reasoning outputs", "tokens", ("thoughts",), plain=True),
        Word("queue", "Requests that wait for a free place at the server. From outside it looks like prefill.",
             (5, "Queue or prefill?"), SERVING, "seconds", plain=True),
    ),
    "On the way": (
        Word("read", "What one call of `read()` on a connection gave: bytes, split anywhere.", ENVELOPES,
             OURS, "bytes", plain=True),
        Word("HTTP chunk", "A part of a body whose length nobody knows beforehand: its size, then so many bytes. Size 0 ends the "
             "body.", ENVELOPES, f"{HTTP}, section 7.1", "bytes"),
        Word("SSE", "Server-sent events, a format for streams over plain HTTP.", ENVELOPES, SSE, also=("server-sent events",)),
        Word("event", "A message of SSE: lines of `name: value`, and an empty line that ends it.", ENVELOPES, SSE),
        Word("[DONE]", "The last event of a stream of Chat Completions. It is a habit of that API and no part of SSE.",
             ENVELOPES, OPENAI),
        Word("comment", "A line of SSE that begins with a colon. Whoever reads the stream drops it.", (3, "Silence"), SSE),
        Word("heartbeat", "A comment that is sent so that something moves in a silence.", (3, "Silence"), SSE,
             also=("keep-alive",)),
        Word("NDJSON", "Lines of JSON, one message a line.", TRANSPORTS, "ndjson.org"),
        Word("WebSocket", "A connection on which both sides may speak at any time.", TRANSPORTS, "RFC 6455"),
        Word("polling", "Asking again and again whether the job is done.", TRANSPORTS, OURS),
        Word("EventSource", "The browser's client for SSE: GET only, and it asks again whenever the connection ends.",
             (3, "The bill that never stops"), SSE),
        Word("proxy", "A server between yours and the reader. It may hold text back, compress it, or cut the line.",
             (3, "Who holds it back?"), "RFC 9110; nginx documents", also=("proxies",)),
        Word("buffering", "Collecting bytes until a page is full, before they are passed on.", (3, "Who holds it back?"),
             "nginx documents", "bytes", ("buffered",)),
        Word("padding", "Bytes added so that sizes tell nothing, as in the field `obfuscation`.", (4, "What TLS shows"),
             "arXiv 2511.03675", "bytes", ("obfuscation",)),
    ),
    "When an answer must stop, or begin again": (
        Word("time-out", "How long a client waits for the next read. It does not bound a whole stream.",
             (4, "Silence on the line"), "HTTPX documents", "seconds"),
        Word("guard", "A checker between the model and the reader, which lets nothing forbidden through.", LEAKS,
             "NeMo Guardrails"),
        Word("window", "How much text a guard holds in its hand while it judges.", LEAKS, "AWS Bedrock and NeMo Guardrails",
             "tokens"),
        Word("stream first", "A guard that shows at once and checks behind: no delay, but a leak.", LEAKS,
             "NeMo Guardrails", plain=True),
        Word("hold back", "A guard that shows a token when a whole window behind it is harmless.", LEAKS,
             "AWS Bedrock, synchronous mode", plain=True),
        Word("check at end", "A guard that shows nothing before everything is checked.", LEAKS, OURS),
        Word("atomic", "Said of a turn that enters the conversation whole or not at all.",
             (4, "What stays in the conversation"), "Härder and Reuter 1983, ACM Computing Surveys 15"),
        Word("retry", "Asking once more after a failure; harmless only before the first text.", (4, "Retry, resume, stop"),
             "openai package", plain=True),
        Word("resume", "Going on behind the last event one has. The answer is not made again.", (4, "Retry, resume, stop"),
             "OpenAI, background mode", plain=True),
        Word("cancel", "Telling a server to stop. A lost connection need not say so.", (4, "Retry, resume, stop"),
             "OpenAI, background mode", plain=True),
        Word("policy", "What a server does when a connection has gone: cancel the answer, or keep it for whoever comes back.",
             (7, "Closed the laptop"), OURS, also=("policies",), plain=True),
        Word("deadline", "A limit by your own clock: until the first token, for a silence, or for the whole answer.", LIMITS,
             "Python documents, asyncio.timeout", "seconds"),
    ),
    "Many at once": (
        Word("event loop", "Runs coroutines one at a time. Another has its turn only while this one waits at an `await`.",
             (7, "The café with one waiter"), "Python documents, asyncio"),
        Word("gather", "`asyncio.gather` runs coroutines side by side, as far as each waits at an `await`; results keep the order.",
             GATHER, "Python documents, asyncio.gather", plain=True),
        Word("pool", "Calls of the usual kind, no more than so many at once. It is no batch.", (7, "Forty reviews"),
             "Python documents, asyncio.Semaphore", "calls at once"),
        Word("fan-out", "One stream sent on to many readers, each at her own pace.", SHARING,
             "Hohpe and Woolf 2003, publish-subscribe channel", also=("broadcast",)),
        Word("backpressure", "A slow reader makes the writer wait, or get less to her, so that nothing piles up between them.",
             SHARING, "Reactive Streams 1.0"),
        Word("debounce", "Asking only when nothing new has come for a moment.", (7, "The cheat sheet"), OURS, "seconds",
             ("debounced",)),
    ),
    "To compare, and to be sure": (
        Word("paired comparison", "Both modes answer the same, in random order; what counts is the difference of each pair.",
             PAIRS, "Box, Hunter and Hunter 2005, Statistics for Experimenters", "that of the values"),
        Word("confidence interval", "Where the true mean may well be, made from the values alone and wrong in 5 cases of 100.",
             PAIRS, "Neyman 1937, Phil. Trans. A 236", "that of the values"),
        Word("bootstrap", "Drawing again from the values that one has, to see how much their mean is a matter of chance.", PAIRS,
             "Efron 1979, Annals of Statistics 7", "that of the values"),
    ),
    "Load tests": (
        Word("seat", "A place at a server for one answer in the making. Who finds none free waits in the queue.",
             (5, "The hockey stick"), OURS, plain=True),
        Word("cold request", "One that pays for what the next ones find ready: connection, cache, model.", (5, "Warm and cold"),
             "MLPerf and GuideLLM, warm-up"),
        Word("closed loop", "Users who ask again when they are answered. While the server stands still they ask nothing.",
             (5, "Warm and cold"), "Schroeder and others, NSDI 2006"),
        Word("open loop", "Requests sent by a schedule, whatever becomes of those before.", LOAD,
             "Schroeder and others, NSDI 2006"),
        Word("coordinated omission", "What a closed loop does: it sends nothing while the server is slow, and so hardly counts it.",
             LOAD, "Gil Tene"),
        Word("due", "When the schedule wants a request to leave. An honest latency counts from then.", LOAD,
             "MLPerf Inference rules", "seconds", plain=True),
    ),
}  # fmt: skip
WORDS = tuple(word for group in GROUPS.values() for word in group)


def known(name: str) -> Word:
    """The word with this name or form, in upper or lower case; raises KeyError with those that look alike."""
    try:
        return _BY_FORM[name.strip().lower()]
    except KeyError:
        near = difflib.get_close_matches(name.lower(), _BY_FORM, n=3) or [word.name for word in WORDS[:3]]
        raise KeyError(f"the glossary has no {name!r}; it has {', '.join(near)} and others") from None


_BY_FORM = {form.lower(): word for word in WORDS for form in word.forms}


def find(message: str) -> list[Word]:
    """The words that a message uses, in the order of their first use, each once; of "role chunk" not also "chunk"."""
    return list(dict.fromkeys(_BY_FORM[_singular(match[0].lower())] for match in _forms().finditer(message)))


def _singular(form: str) -> str:
    return form if form in _BY_FORM else form.removesuffix("s")


@functools.cache
def _forms() -> re.Pattern[str]:
    """Any form of a word that is not plain English, with or without a plural's s; the longest first."""
    forms = sorted((form for word in WORDS if not word.plain for form in word.forms), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, forms))})s?(?![\w-])", re.IGNORECASE)


# ------------------------------------------------------------------------------------------------------- for readers


def call(words: Iterable[Word]) -> str:
    """What a learner may type to read about these words: ``glossary("ttft", "chunk")``."""
    named = ", ".join(f'"{word.name}"' for word in words)
    return f"glossary({named})"


def links(words: Iterable[Word]) -> str:
    """The words in HTML, each with a link to the glossary and its meaning as a tooltip."""
    return ", ".join(
        f'<a href="{PAGE}" title="{escape(word.meaning)}" style="color:#1f5fa8">{escape(word.name)}</a>'
        for word in words
    )


@dataclass(frozen=True, slots=True)
class Entries:
    """Words of the glossary, to be read in a notebook or a terminal."""

    groups: Sequence[tuple[str, Sequence[Word]]]

    def __repr__(self) -> str:
        lines = [line for title, words in self.groups for line in (title, *map(_text, words), "")]
        return "\n".join(lines).strip()

    def _repr_markdown_(self) -> str:
        return "\n".join(line for title, words in self.groups for line in _table(title, words))


def _text(word: Word) -> str:
    unit = f" Unit: {word.unit}." if word.unit else ""
    return f"{', '.join(word.forms)}: {word.meaning}{unit} Source: {word.source}. Met in {word.place}."


def _table(title: str, words: Sequence[Word]) -> list[str]:
    head = [f"### {title}", ""] if title else []
    rows = [
        f"| **{word.name}**{''.join(f', {form}' for form in word.also)} | {word.meaning} | {word.unit} | {word.source} "
        f"| [{word.place}]({word.link}) |"
        for word in words
    ]
    return [*head, "| word | meaning | unit | source | met in |", "|---|---|---|---|---|", *rows, ""]
