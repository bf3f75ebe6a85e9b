"""Every claim of a lesson that has a date, or somebody who made it, stands on the page of references, with where and when."""

import re
from pathlib import Path

import pytest

from course_utils import work
from course_utils.export import edition

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "source").glob("*/0[1-7]_*.py"))
"""The texts of lessons and of their exercises."""
PAGE = (ROOT / "docs/references.md").read_text("utf-8")
SAYERS = (
    "AIPerf|Anthropic|Artificial Analysis|Azure|Bedrock|Chromium|Cloudflare|DeepSeek|Gemini|Glean|Google|Groq|GuideLLM|"
    "LLMPerf|MCP|Mistral|MLPerf|NeMo|nginx|NVIDIA|Ollama|OpenAI|OpenRouter|OpenTelemetry|vLLM|WebTransport|xAI"
)
CLAIM = re.compile(rf"\b(20[1-4]\d|{SAYERS})\b|arXiv")
"""What makes a sentence a claim that may expire: a year, a paper, or a name of those whose products and numbers change."""
ROW = re.compile(r"^\| ([1-7–][, 1-7]*) \| (.*) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)


def prose(path: Path) -> str:
    """The text cells of a source, without their marks, code blocks and line ends; a table's row is a paragraph."""
    cells = re.split(r"^# %%", path.read_text("utf-8"), flags=re.MULTILINE)
    text = "\n".join(cell.partition("\n")[2] for cell in cells if cell.startswith(" [markdown]"))
    text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!\n)\n(?![\n|#-]) *", " ", text)


def sentences(path: Path) -> list[str]:
    return [one for line in prose(path).split("\n") for one in re.split(r"(?<=[.?!:]) (?=[A-Z*`(\"])", line) if one]


def number(path: Path) -> str:
    return path.name[1]


def claims_something(sentence: str) -> bool:
    """Whether the rule finds a claim in it; a name in code is no one's word."""
    return CLAIM.search(re.sub(r"`[^`]*`", "", sentence)) is not None


def claims() -> list[tuple[str, str]]:
    return [(number(path), one) for path in LESSONS for one in sentences(path) if claims_something(one)]


def entries() -> list[tuple[set[str], list[str], str, str, str]]:
    """Lessons, the words of each claim as they stand there, source, date, and what changes when it no longer holds."""
    return [
        (set(lessons.split(", ")), re.findall(r"“(.*?)”", words), source, date, change)
        for lessons, words, source, date, change in ROW.findall(PAGE)
    ]


@pytest.mark.parametrize(("lesson", "sentence"), claims())
def test_a_claim_that_may_expire_stands_on_the_page_of_references(lesson, sentence):
    known = [words for lessons, phrases, *_ in entries() if lesson in lessons for words in phrases]
    assert any(words in sentence for words in known), f"docs/references.md does not name it for lesson {lesson}"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry[1][0] if entry[1] else entry[2][:40])
def test_an_entry_has_a_source_a_date_and_a_consequence_and_its_lesson_still_says_so(entry):
    lessons, phrases, source, date, change = entry
    assert re.search(r"\]\(https://[^)\s]+\)", source)
    assert re.search(r"\b(19|20)\d\d\b", date)
    assert len(change.split()) >= 4
    if lessons == {"–"}:
        assert phrases == []
        return
    texts = [prose(path) for path in LESSONS if number(path) in lessons]
    assert phrases
    for words in phrases:
        assert any(words in text for text in texts), f"no lesson of {lessons} says {words!r}"


def test_every_row_of_the_page_is_read():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| lesson")]
    assert len(entries()) == len(rows) > 30


@pytest.mark.parametrize("copied", [work.COPIED, edition.COPIED], ids=["work", "class edition"])
def test_the_page_goes_where_the_notebook_goes_that_links_to_it(copied):
    start = ROOT / "lessons/00_start_here.ipynb"
    (link,) = re.findall(r"\[The references\]\((.*?)\)", start.read_text("utf-8"))
    page = (start.parent / link).resolve()
    assert page == ROOT / "docs/references.md"
    assert page.relative_to(ROOT).as_posix() in copied


def test_the_rule_finds_what_it_is_for():
    made = {
        "Faster (2027).": True,
        "OpenAI says so.": True,
        "See arXiv 1234.": True,
        "The first chunk has a role.": False,
        "It takes 2000 tokens and 1999 more.": False,
        "`client` is an `openai.OpenAI`.": False,
    }
    assert {text: claims_something(text) for text in made} == made
