"""A page a learner: what was asked, what came, what it is worth. Plain HTML of its own, with nothing loaded from anywhere.

Whatever a learner wrote is escaped, and the page forbids scripts, so that an instructor's browser shows it and does nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from html import escape
from pathlib import Path

from course_utils.checks.exercise import Exercise
from course_utils.checks.verdict import OUTCOMES, Verdict
from course_utils.grade.report import Mark, Report, Student, without_controls

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 52em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: .2em; }
h2 { font-size: 1.1em; margin: 0 0 .3em; }
section { border: 1px solid #c9ced6; border-left-width: 6px; border-radius: 4px; padding: .7em 1em; margin: 1em 0; }
p { margin: .3em 0; overflow-wrap: anywhere; }
table { border-spacing: 0; margin-top: .5em; }
th { text-align: left; vertical-align: top; font-weight: normal; color: #5b6470; padding-right: 1em; white-space: nowrap; }
code { font: 14px/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.quiet { color: #5b6470; }
@media print { section { break-inside: avoid; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_pages(report: Report, folder: Path) -> list[Path]:
    """A page for each learner, and one with links to all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    links = []
    taken = {"index"}
    for student in report.students:
        path = folder / f"{file_name(student.name, taken)}.html"
        taken.add(path.stem.lower())
        path.write_text(page(report, student), encoding="utf-8")
        links.append(
            f'<li><a href="{escape(path.name)}">{_text(student.name)}</a> {escape(_points(report, student))}</li>'
        )
        written.append(path)
    index = folder / "index.html"
    index.write_text(_whole("All learners", f"<h1>All learners</h1><ul>{''.join(links)}</ul>"), encoding="utf-8")
    return [*written, index]


def file_name(student: str, taken: Container[str] = ("index",)) -> str:
    """A name for a file that every system takes, different for different learners, in upper and lower case too."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", student).strip("_")[:60]
    if plain and plain == student and plain.lower() not in taken and plain.lower() not in DEVICES:
        return plain
    return f"{plain or 'learner'}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:8]}"


DEVICES = ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)))
"""What Windows takes for a device, whatever comes after the dot."""


def page(report: Report, student: Student) -> str:
    known = {one.id: one for one in report.exercises}
    body = [f"<h1>{_text(student.name)}</h1><p>{escape(_points(report, student))}</p>"]
    body += [_section(known[mark.verdict.exercise], mark) for mark in student.marks]
    for file in student.files:
        notes = " ".join(filter(None, [file.trouble, *file.notes]))
        body.append(f'<p class="quiet">{_text(file.file)} {_text(notes)}<br>SHA-256 {escape(file.sha256)}</p>')
    body.append(f'<p class="quiet">Isolation: {escape(report.level)}</p>')
    return _whole(student.name, "\n".join(body))


def _points(report: Report, student: Student) -> str:
    (core, most_core), (further, most_further) = (report.points(student, core=part) for part in (True, False))
    return f"Core: {core} of {most_core} points. Further: {further} of {most_further} points."


def _section(exercise: Exercise, mark: Mark) -> str:
    verdict = mark.verdict
    sign, words, colour = OUTCOMES[verdict.outcome]
    part = "core" if exercise.core else "further"
    worth = "not counted" if verdict.outcome == "could_not_check" else f"{exercise.points if verdict.passed else 0}"
    return (
        f'<section style="border-left-color:{colour}"><h2>{escape(exercise.id)} {escape(exercise.title)} '
        f'<span style="color:{colour}">{sign} {words}</span></h2>'
        f"<p>{_text(verdict.message)}</p>{_table(verdict)}"
        f'<p class="quiet">{worth} of {exercise.points} points, {part}</p></section>'
    )


def _table(verdict: Verdict) -> str:
    rows = [("where", verdict.where), ("given", verdict.given), ("expected", verdict.expected), ("got", verdict.got)]
    cells = "".join(f"<tr><th>{name}</th><td><code>{_text(text)}</code></td></tr>" for name, text in rows if text)
    cells += "".join(f"<tr><th>{_text(word.name)}</th><td>{_text(word.meaning)}</td></tr>" for word in verdict.terms)
    return f"<table>{cells}</table>" if cells else ""


def _text(text: str) -> str:
    return escape(without_controls(text))


def _whole(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )
