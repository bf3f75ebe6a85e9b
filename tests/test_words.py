"""The glossary holds for the course as it is: its words are used, its metrics are all there, its links lead somewhere."""

import inspect
import re
from pathlib import Path

import pytest

from course_utils import metrics, words
from course_utils.checks import exercises
from course_utils.checks.verdict import Verdict
from course_utils.checks.vocabulary import glossary, hint
from course_utils.grade import page

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "source/lessons"
HEADING = re.compile(r"^# (#+) (.+)$", re.MULTILINE)


def section(lesson: str, heading: str) -> str:
    """What stands under a heading of a lesson, up to the next one of its level: prose, code and all."""
    text = (LESSONS / f"{lesson}.py").read_text("utf-8")
    found = list(HEADING.finditer(text))
    (begin,) = [one for one in found if one[2] == heading]
    ends = [one.start() for one in found if one.start() > begin.start() and len(one[1]) <= len(begin[1])]
    return text[begin.start() : min(ends, default=len(text))]


def ids(lesson: str) -> dict[str, str]:
    """The cells that begin with a heading, by the ids they have in the notebook."""
    text = (LESSONS / f"{lesson}.py").read_text("utf-8")
    marked = re.findall(r'^# %% \[markdown\] id="(.+)"\n# ##+ (.+)$', text, re.MULTILINE)
    return {f"{lesson[:2]}-{id}": heading for id, heading in marked}


def by_name(word):
    return word.name


@pytest.mark.parametrize("word", words.WORDS, ids=by_name)
def test_a_word_is_used_where_it_is_said_to_be_met(word):
    lesson, heading = word.met
    text = re.sub(r"\s#?\s*", " ", section(words.LESSONS[lesson], heading)).lower()
    assert any(re.search(rf"(?<!\w){re.escape(form.lower())}s?(?!\w)", text) for form in word.forms)


@pytest.mark.parametrize("word", words.WORDS, ids=by_name)
def test_a_word_has_a_meaning_of_a_sentence_and_a_source(word):
    assert 15 < len(word.meaning) < 220
    assert word.meaning.endswith((".", ".)"))
    assert word.source


def test_every_metric_has_its_entry_with_the_meaning_of_its_docstring_and_a_unit():
    public = {
        name for name, one in inspect.getmembers(metrics, inspect.isfunction) if one.__module__ == metrics.__name__
    }
    for name in sorted(name for name in public if not name.startswith("_")):
        word = words.known(name)
        assert getattr(metrics, name).__doc__.startswith(word.meaning.split("`")[0])
        assert word.unit


def test_no_form_belongs_to_two_words():
    forms = [form.lower() for word in words.WORDS for form in word.forms]
    assert len(forms) == len(set(forms))


LINKS = [
    (path.stem, *found)
    for path in sorted(LESSONS.glob("*.py"))
    for found in re.findall(
        r"\]\((?:\.\./(lessons|exercises)/)?(\w+)\.ipynb(?:#cell-id=([^)\s]+))?\)", path.read_text("utf-8")
    )
]


@pytest.mark.parametrize(("page", "folder", "target", "id"), sorted(set(LINKS)))
def test_a_link_between_notebooks_leads_to_a_notebook_and_a_heading(page, folder, target, id):
    assert (ROOT / "source" / (folder or "lessons") / f"{target}.py").exists()
    assert not id or id in ids(target)


def test_the_index_leads_to_every_section():
    indexed = {id for page, _, _, id in LINKS if page == "glossary"}
    quiet = {"Exercises", "Summary", "Going further", "Three from before"}
    for lesson in words.LESSONS[1:]:
        assert {id for id, heading in ids(lesson).items() if heading not in quiet} <= indexed


def test_every_heading_of_a_lesson_begins_a_cell_that_has_its_id():
    for number, lesson in enumerate(words.LESSONS):
        text = (LESSONS / f"{lesson}.py").read_text("utf-8")
        headings = [heading for marks, heading in HEADING.findall(text) if marks != "#"]
        assert list(ids(lesson).items()) == [(words.cell_id(number, heading), heading) for heading in headings]


def test_the_links_of_words_lead_to_headings():
    for word in words.WORDS:
        path, id = word.link.removeprefix("../lessons/").split(".ipynb#cell-id=")
        assert ids(path)[id] == word.met[1]


# ------------------------------------------------------------------------------------------------- words in messages


def test_the_longest_word_is_found_and_plain_english_is_not():
    found = words.find("A Role chunk is no token, and chunks wait in a queue; read the prefix cache's logits.")
    assert [word.name for word in found] == ["role chunk", "token", "chunk", "prefix cache", "logit"]


def test_a_refusal_tells_its_words_in_text_and_html_and_a_pass_none():
    verdict = Verdict("1.1", "not_yet", "A role chunk carries no token.", got="x")
    assert repr(verdict).splitlines()[-1] == '  words:    glossary("role chunk", "token")'
    assert f'<a href="{words.PAGE}" title="The first chunk of a stream' in verdict._repr_html_()
    assert "glossary" not in repr(Verdict("1.1", "passed", "A role chunk: 2 points"))
    assert "glossary" not in repr(Verdict("1.1", "raised", "ValueError: token"))


def test_the_page_of_a_grader_tells_the_meanings_of_the_words_of_a_refusal():
    shown = page._table(Verdict("1.1", "not_yet", "A role chunk came."))
    assert shown == f"<table><tr><th>role chunk</th><td>{words.known('role chunk').meaning}</td></tr></table>"


def test_what_a_verdict_tells_to_type_is_what_glossary_understands():
    for known in exercises().values():
        for said in (*known.hints, *(wrong.says for wrong in known.wrong_answers)):
            names = re.findall(r'"(.*?)"', words.call(words.find(said)))
            assert "the glossary has no" not in repr(glossary(*names))


def test_a_hint_has_its_words_below(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    texts = [
        (known.id, level, words.find(known.hints[level - 1])) for known in exercises().values() for level in (1, 2, 3)
    ]
    id, level, found = next(one for one in texts if one[2])
    assert repr(hint(id, level)).endswith(f"\nWords: {words.call(found)}")
    assert f"<br>Words: {words.links(found)}" in hint(id, level)._repr_html_()
    id, level, _ = next(one for one in texts if not one[2])
    assert "Words:" not in repr(hint(id, level))


# ---------------------------------------------------------------------------------------------------------- glossary


def test_a_word_is_known_by_any_form_in_upper_and_lower_case():
    assert repr(glossary("TTFT")) == repr(glossary("time to first token"))
    assert repr(glossary("ttft", "TTFT")).count("Met in") == 1
    assert "Unit: seconds. Source: MLPerf" in repr(glossary("ttft"))
    assert (
        "(../lessons/05_first_token_latency.ipynb#cell-id=05-on-one-stream-five-clocks)"
        in glossary("ttft")._repr_markdown_()
    )


def test_a_word_that_is_not_known_gets_those_that_look_alike():
    assert repr(glossary("ttfd")).startswith("the glossary has no 'ttfd'; it has ttf")
    assert repr(glossary("xyzzy", 5)).startswith("the glossary has no 'xyzzy'; it has t_headers")


def test_without_a_name_all_words_are_told():
    shown = glossary()._repr_markdown_()
    assert all(f"**{word.name}**" in shown for word in words.WORDS)
    assert {line.count("|") for line in shown.splitlines() if line.startswith("|")} == {6}
