"""Rules that every notebook keeps, each for a reason, as pure functions over the notebook.

A rule takes a `Page` and yields what it finds: a cell's id (or "" for the whole notebook) and a sentence. The shape
rules hold for the lessons 01 to 07; the reasons stand in the rules' docstrings.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.compared import FOLDERS, ROOT, UNCOMPARED_COMMENTS, UNCOMPARED_TAGS, text

MAX_BYTES = 100_000
MAX_OPENING_WORDS = 100
MAX_CELL_LINES = 15
MAX_MEDIAN_LINES = 5
WORDS_PER_LINE = (8, 16)

Cell = Mapping[str, Any]
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """A notebook and where it stands: `lessons/01_why_streaming_matters.ipynb`."""

    path: str
    notebook: Mapping[str, Any]

    @property
    def cells(self) -> list[Cell]:
        return list(self.notebook["cells"])

    @property
    def code(self) -> list[Cell]:
        """The code cells that are not empty."""
        return [cell for cell in self.cells if cell["cell_type"] == "code" and source(cell).strip()]

    @property
    def prose(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "markdown"]

    @property
    def in_lessons(self) -> bool:
        return self.path.split("/")[-2:-1] == ["lessons"]

    @property
    def shaped(self) -> bool:
        """Whether the shape rules hold: `00_start_here` and the exercises have shapes of their own."""
        return self.in_lessons and re.match(r"0[1-7]_", self.path.split("/")[-1]) is not None


def source(cell: Cell) -> str:
    return text(cell["source"])


def tags(cell: Cell) -> set[str]:
    return set(cell["metadata"].get("tags", ()))


def name(cell: Cell) -> str:
    return str(cell.get("id", "?"))


def lines(cell: Cell) -> int:
    """Lines that are not blank."""
    return sum(1 for line in source(cell).split("\n") if line.strip())


def without_fences(markdown: str) -> str:
    """Prose without diagrams, code blocks and comments, which are not read as prose."""
    return re.sub(r"^(```|~~~).*?^\1[^\n]*$|<!--.*?-->", "", markdown, flags=re.DOTALL | re.MULTILINE)


def words(markdown: str) -> int:
    """Words as a reader counts them: what has a letter or a digit."""
    return sum(1 for word in without_fences(markdown).split() if re.search(r"\w", word))


def code_text(cell: Cell) -> str:
    """The code without its comments: a comment may say why something is not done."""
    kept = source(cell).split("\n")
    try:
        for token in tokenize.generate_tokens(io.StringIO(source(cell)).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                kept[row - 1] = kept[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):  # a magic or a shell line: judge it as it stands
        return source(cell)
    return "\n".join(kept)


# ------------------------------------------------------------------------------------------------------------- shape


def short_opening(page: Page) -> Found:
    """Something runs soon: a learner who reads a page of text first has not begun."""
    count = 0
    for cell in page.cells:
        if cell["cell_type"] == "code":
            break
        count += words(source(cell))
    if page.shaped and count > MAX_OPENING_WORDS:
        yield "", f"{count} words before the first code cell, at most {MAX_OPENING_WORDS}"


def short_cells(page: Page) -> Found:
    """A cell shows one thing."""
    if not page.shaped or not page.code:
        return
    for cell in page.code:
        if lines(cell) > MAX_CELL_LINES:
            yield (
                name(cell),
                f"{lines(cell)} lines of code, at most {MAX_CELL_LINES}: move definitions into the package",
            )
    if (median := statistics.median(map(lines, page.code))) > MAX_MEDIAN_LINES:
        yield "", f"the median code cell has {median:g} lines, at most {MAX_MEDIAN_LINES}"


def prose_and_code(page: Page) -> Found:
    """A lesson explains its code and shows what it explains."""
    if not page.shaped or not page.code:
        return
    ratio = sum(words(source(cell)) for cell in page.prose) / sum(map(lines, page.code))
    low, high = WORDS_PER_LINE
    if not low <= ratio <= high:
        yield "", f"{ratio:.1f} words of prose for each line of code, expected {low} to {high}"


def one_title(page: Page) -> Found:
    """One h1, so that a table of contents and a screen reader find the title."""
    count = sum(len(re.findall(r"^# \S", without_fences(source(cell)), re.MULTILINE)) for cell in page.prose)
    if page.shaped and count != 1:
        yield "", f"{count} headings of the first level, expected exactly one"


def small_file(page: Page) -> Found:
    """A notebook can be read as a text on GitHub and reviewed."""
    size = len(json.dumps(page.notebook, indent=1, ensure_ascii=False).encode())
    if size > MAX_BYTES:
        yield "", f"{size} bytes, at most {MAX_BYTES}"


# -------------------------------------------------------------------------------------------------------------- assets

REMOTE = re.compile(
    r"<(?:img|script|link|iframe|image|video|audio|source)\b[^>]*=\s*[\"']?(?:https?:)?//", re.IGNORECASE
)
REMOTE_PICTURE = re.compile(r"!\[[^\]]*\]\(\s*<?(?:https?:)?//")
EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,|data:image/")


def _shown(cell: Cell) -> Iterator[str]:
    """The texts that a page draws as markup."""
    if cell["cell_type"] == "markdown":
        yield source(cell)
    for output in cell.get("outputs", ()):
        for kind in ("text/html", "text/markdown", "image/svg+xml"):
            yield text(output.get("data", {}).get(kind, ""))


def nothing_remote(page: Page) -> Found:
    """The course works without a network, and tells no one who reads it."""
    for cell in page.cells:
        if any(REMOTE.search(shown) or REMOTE_PICTURE.search(shown) for shown in _shown(cell)):
            yield name(cell), "loads something from the network"


def no_embedded_picture(page: Page) -> Found:
    """A picture in base64 can't be read, compared or reviewed: figures are SVG text."""
    for cell in page.cells:
        kinds = {kind for output in cell.get("outputs", ()) for kind in output.get("data", {})}
        binary = any(re.match(r"image/(?!svg)", kind) for kind in kinds) or cell.get("attachments")
        if binary or any(EMBEDDED.search(shown) for shown in _shown(cell)):
            yield name(cell), "holds a picture in base64; draw it as SVG text"


# ------------------------------------------------------------------------------------------------- what code may not do

FORBIDDEN = (
    (r"\basyncio\.run\(", "asyncio.run( fails in a kernel, where a loop runs already: await play(...)"),
    (r"(?<![\w.])input\(", "input( waits for a person: Run All would hang"),
    (r"\bpip3? install|(?m:^\s*%pip\b)", "pip in a cell: the environment is made before the course begins"),
    (r"\bclear_output\b", "clear_output blinds nbval: print pieces"),
    (r"\bwidgets\.Output\b|\bipywidgets import [^\n]*\bOutput\b", "widgets.Output blinds nbval: use an HTML view"),
    (r"\bdisplay_id\s*=|\bupdate_display\(|\bDisplayHandle\b", "an updated display blinds nbval: show the final state"),
    (
        r"\b(?:chat)?gpt-\d|\bgpt-4o|\bclaude-|\bgemini-|[\"']o[1-9](?:-\w+)*[\"']",
        "names a vendor's model, which will be gone: use the mock's or the learner's",
    ),
)


def nothing_forbidden(page: Page) -> Found:
    """What hangs, fails or blinds the comparison."""
    for cell in page.code:
        for pattern, message in FORBIDDEN:
            if re.search(pattern, code_text(cell)):
                yield name(cell), message


def no_display_update(page: Page) -> Found:
    """`handle = display(...)` followed by `handle.update(...)`: nbval ignores the update."""
    handles: set[str] = set()
    for cell in page.code:
        handles |= set(re.findall(r"^\s*(\w+) *= *display\(", code_text(cell), re.MULTILINE))
        if any(re.search(rf"\b{handle}\.update\(", code_text(cell)) for handle in handles):
            yield name(cell), "an updated display blinds nbval: show the final state"


def no_real_sleep(page: Page) -> Found:
    """time.sleep waits in real time: the build would be slow and the measured times no longer exact."""
    for cell in page.code:
        if page.in_lessons and "live" not in tags(cell) and re.search(r"\btime\.sleep\(", code_text(cell)):
            yield name(cell), "time.sleep( is not virtual: use clock.sleep"


def no_trailing_semicolon(page: Page) -> Found:
    """In Jupyter it hides the output, in nbval it does not, so the cell fails."""
    for cell in page.code:
        if code_text(cell).rstrip().endswith(";"):
            yield name(cell), "ends with ';': assign the value instead"


def guarded_choices(page: Page) -> Found:
    """A usage chunk has no choices: `choices[0]` of a streamed chunk raises on real endpoints."""
    for cell in page.code:
        if "find-the-bug" in tags(cell):
            continue
        code = code_text(cell)
        streamed = set(re.findall(r"\b(\w+)\.choices\[0\]\.delta|\b(chunk|part|piece|event)\.choices\[0\]", code))
        for chunk in sorted({first or second for first, second in streamed}):
            if not re.search(rf"\b{chunk}\.choices(?!\[)", code):
                yield name(cell), f"{chunk}.choices[0] without a guard: a usage chunk has no choices"


# ------------------------------------------------------------------------------------------------- what nbval must see


def executed(page: Page) -> Found:
    """nbval does not compare a cell that was stored as never run."""
    for cell in page.code:
        if cell.get("execution_count") is None:
            yield name(cell), "has no execution count, so its output is not compared; build it"


def no_error(page: Page) -> Found:
    """Run All completes."""
    for cell in page.code:
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                yield name(cell), f"stored an error: {output.get('ename')}"


def honest_live_cells(page: Page) -> Found:
    """A live cell is not compared, so it stores nothing and asserts what must hold."""
    for cell in page.code:
        if "live" not in tags(cell):
            continue
        if cell.get("outputs"):
            yield name(cell), "is live and stores outputs"
        if not _asserts(cell):
            yield name(cell), "is live and asserts nothing"


def _asserts(cell: Cell) -> bool:
    try:
        tree = compile(source(cell), name(cell), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:  # a magic
        return re.search(r"^\s*assert\b", source(cell), re.MULTILINE) is not None
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def compared_unless_live(page: Page) -> Found:
    """Only live cells, which are counted, may tell nbval to look away."""
    for cell in page.code:
        allowed = {"nbval-ignore-output"} if "live" in tags(cell) else set()
        comments = {line.strip().lstrip("# ").strip() for line in source(cell).split("\n") if line.strip()[:1] == "#"}
        for blinding in sorted(tags(cell) & UNCOMPARED_TAGS - allowed) + sorted(comments & UNCOMPARED_COMMENTS):
            yield name(cell), f"{blinding} hides the cell from the comparison"


def valid_ids(page: Page) -> Found:
    """Ids are how the grader, a diff and these findings name a cell."""
    seen: set[str] = set()
    for number, cell in enumerate(page.cells, start=1):
        key = str(cell.get("id", ""))
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
            yield key or f"number {number}", "has no valid id; build it"
        if key in seen:
            yield key, "has the id of another cell"
        seen.add(key)


def figures_speak(page: Page) -> Found:
    """A figure says in words what it shows: for those who can't see it, and where SVG is not drawn."""
    for cell in page.code:
        for data in (output.get("data", {}) for output in cell.get("outputs", ())):
            if svg := text(data.get("image/svg+xml", "")):
                if not (re.search(r"<title\b[^>]*>\s*[^<\s]", svg) and re.search(r"<desc\b[^>]*>\s*[^<\s]", svg)):
                    yield name(cell), "a figure without <title> and <desc>"
                if re.fullmatch(r"(<.*>)?", text(data.get("text/plain", "")).strip(), re.DOTALL):
                    yield name(cell), "a figure whose text/plain says nothing"


RULES: tuple[Callable[[Page], Found], ...] = (
    short_opening,
    short_cells,
    prose_and_code,
    one_title,
    small_file,
    nothing_remote,
    no_embedded_picture,
    nothing_forbidden,
    no_display_update,
    no_real_sleep,
    no_trailing_semicolon,
    guarded_choices,
    executed,
    no_error,
    honest_live_cells,
    compared_unless_live,
    valid_ids,
    figures_speak,
)


def findings(path: str, notebook: Mapping[str, Any]) -> list[str]:
    """All findings in one notebook, each a line: `lessons/01_x.ipynb cell 01-c07: what is wrong`."""
    page = Page(path, notebook)
    return [f"{path}{f' cell {cell}' if cell else ''}: {found}" for rule in RULES for cell, found in rule(page)]


def _chosen(root: Path, paths: Sequence[str]) -> list[Path]:
    """The notebooks to look at: those named, those in a named folder, or all."""
    given = [Path(path).resolve() for path in paths] or [
        root / folder for folder in FOLDERS if (root / folder).is_dir()
    ]
    return [found for path in given for found in (sorted(path.glob("*.ipynb")) if path.is_dir() else [path])]


def _findings_in(path: Path, root: Path) -> list[str]:
    label = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    try:
        return findings(label, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        return [f"{label}: can't be read as a notebook: {error}"]


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    """`python -m course_utils lint [PATH ...]`."""
    parser = argparse.ArgumentParser(prog="course_utils lint", description="Looks for what a notebook must not hold.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="notebooks or folders; without: all of the course")
    paths = _chosen(root, parser.parse_args(argv).paths)
    found = [line for path in paths for line in _findings_in(path, root)]
    print("\n".join(found) or f"{len(paths)} notebooks: nothing found")
    return 1 if found or not paths else 0
