"""`python -m course_utils prove`: is each check worth believing?

An exercise is proven from six sides. Every wrong answer of its bank is refused with its own words, every right answer
passes, the untouched starter is not attempted, the solution passes, hard-coded answers are refused, and so are the
mutants of the solution. A mutant that passes is listed with its reason in the exercise's module, or the proof fails: it
either means the same as the solution, or the check lets a mistake through.

Everything is asked with the notebook's inputs and again with fresh ones, as a grader asks. With `--runs N` all of it
happens again in N new interpreters, forwards and backwards, each with another order of its sets and inputs of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from course_utils import children, tapes
from course_utils.checks import exercises, load, texts
from course_utils.checks.exercise import SEED, Answer, Exercise
from course_utils.mutants import Mutant, mutants

FRESH = "proof"
"""The seed of the fresh inputs."""

ENOUGH = 0.9
"""The share of mutants that must be refused, whatever the reasons for the others."""

WRONG, RIGHT, HINTS = 5, 2, 3
"""How many wrong answers, right answers and hints an exercise has at least."""

WANTED = {"wrong": "not_yet", "right": "passed", "starter": "not_attempted", "solution": "passed"}
"""What must come of an answer; hard-coded answers and mutants must only not pass."""

LEAST, TIMES = 0.3, 20
"""An answer may use this many seconds of processor time, and this many times what the solution uses."""

Said = tuple[str, str]
"""What a verdict says: its outcome and its message."""


@dataclass
class Score:
    """How many of how many."""

    good: int = 0
    total: int = 0

    def count(self, good: bool) -> None:
        self.good, self.total = self.good + good, self.total + 1

    @property
    def share(self) -> float:
        return self.good / self.total if self.total else 1.0

    def __str__(self) -> str:
        return f"{self.good}/{self.total}"


@dataclass
class Proof:
    """What was found about one exercise; ``faults`` is empty if it is proven.

    ``scores`` counts by kind of answer, ``operators`` the mutants by kind of mistake; ``survivors`` gives the reason for
    each mutant that passes, and ``verdicts`` what was said to every answer.
    """

    exercise: str
    title: str
    scores: dict[str, Score] = field(default_factory=dict)
    operators: dict[str, Score] = field(default_factory=dict)
    survivors: dict[str, str] = field(default_factory=dict)
    runs: Score = field(default_factory=Score)
    faults: list[str] = field(default_factory=list)
    verdicts: list[tuple[str, list[Said]]] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return not self.faults


# ------------------------------------------------------------------------------------------------------ pieces of work


@dataclass(frozen=True)
class Piece:
    """An answer to be judged, and what must come of it."""

    kind: str
    name: str
    make: Callable[[], Answer]
    seeds: tuple[str, ...] = (SEED, FRESH)
    says: str = ""
    mutant: Mutant | None = None


def pieces(exercise: Exercise) -> list[Piece]:
    """Everything an exercise is proven with, apart from mutants and hard-coded answers."""
    found = [
        Piece("wrong", wrong.name, partial(_given, wrong.answer), says=wrong.says) for wrong in exercise.wrong_answers
    ]
    found += [
        Piece("right", f"right answer {number}", partial(_given, answer))
        for number, answer in enumerate(exercise.right_answers, start=1)
    ]
    for kind, text in (("starter", texts.starter(exercise)), ("solution", texts.solution(exercise))):
        found.append(Piece(kind, kind, partial(defined, text, exercise.function)))
    return found


def _given(answer: Answer) -> Answer:
    return answer


def defined(text: str, function: str) -> Answer:
    """The function of that name, from a text that defines it."""
    names: dict[str, Any] = {"__name__": "answer"}
    exec(compile(text, "<answer>", "exec"), names)
    if function not in names:
        raise NameError(f"the text defines no {function!r}")
    return names[function]  # type: ignore[no-any-return]


def mutated(exercise: Exercise) -> list[Piece]:
    return [
        Piece("mutant", one.change, partial(defined, one.source, exercise.function), mutant=one)
        for one in mutants(texts.solution(exercise))
    ]


def hard_coded(exercise: Exercise) -> list[Piece]:
    """Answers that replay what the solution said to the notebook's check."""
    calls: list[tapes.Call] = []
    solution = defined(texts.solution(exercise), exercise.function)
    exercise.judge(tapes.recorder(solution, calls))
    text = f"{texts.statement(exercise)}\n{texts.starter(exercise)}"
    return [
        Piece("hard-coded", one.name, one.make, (FRESH,) if one.knows_the_check else (SEED,))
        for one in tapes.hard_coded(calls, text)
    ]


def judged(exercise: Exercise, piece: Piece) -> list[Said]:
    """What the check says to an answer, seed by seed. An answer that can't even be made has raised an error."""
    said = []
    for seed in piece.seeds:
        try:
            answer = piece.make()
        except Exception as error:  # noqa: BLE001  # a mutant's error, before there is a function to judge
            return [("raised", f"{type(error).__name__}: {error}")] * len(piece.seeds)
        verdict = exercise.judge(answer, seed)
        said.append((verdict.outcome, verdict.message))
    return said


# --------------------------------------------------------------------------------------------------------- the proof


def prove(exercise: Exercise, jobs: int = 2) -> Proof:
    """Prove one exercise; every answer is judged in a child of its own."""
    proof = Proof(exercise.id, exercise.title, faults=_lacks(exercise))
    if proof.faults:
        return proof
    work = [*pieces(exercise), *hard_coded(exercise), *mutated(exercise)]
    results: dict[int, Any] = dict(
        children.run([partial(judged, exercise, piece) for piece in work], jobs, _limit(exercise))
    )
    for index, piece in enumerate(work):
        result = results[index]
        stopped = isinstance(result, children.Ended)
        said = [("raised", result.why)] * len(piece.seeds) if stopped else [(one[0], one[1]) for one in result]
        _count(proof, exercise, piece, said)
    _conclude(proof, exercise)
    return proof


def _limit(exercise: Exercise) -> float:
    """Seconds of processor time after which an answer is called endless: far more than the solution needs."""
    piece = Piece("solution", "solution", partial(defined, texts.solution(exercise), exercise.function))
    judged(exercise, piece)  # what is imported at the first use is paid for here
    begin = time.process_time()
    judged(exercise, piece)
    return LEAST + TIMES * (time.process_time() - begin)


def _lacks(exercise: Exercise) -> list[str]:
    """What is missing, so that there is nothing to prove with."""
    lacks = [f"the {name} is empty" for name in ("title", "function", "reason") if not getattr(exercise, name)]
    for name, text in (("starter", texts.starter(exercise)), ("solution", texts.solution(exercise))):
        try:
            defined(text, exercise.function)
        except Exception as error:  # noqa: BLE001  # the author's program, and whatever is wrong with it
            lacks.append(f"the cell with the {name} defines no function: {type(error).__name__}: {error}")
    for name, least, there in (
        ("wrong answers", WRONG, exercise.wrong_answers),
        ("right answers", RIGHT, exercise.right_answers),
        ("hints", HINTS, exercise.hints),
    ):
        if len(there) < least:
            lacks.append(f"{len(there)} {name}; at least {least} are needed")
    return lacks


def _count(proof: Proof, exercise: Exercise, piece: Piece, said: list[Said]) -> None:
    trouble = _trouble(piece, said)
    if piece.mutant:
        passes = "passed" in (outcome for outcome, _ in said)
        proof.operators.setdefault(piece.mutant.operator, Score()).count(not passes)
        proof.scores.setdefault(piece.kind, Score()).count(not passes)
        if passes:
            proof.survivors[piece.name] = exercise.survivors.get(piece.name, "")
            trouble = trouble or ("" if piece.name in exercise.survivors else _unlisted(piece.mutant, said))
    else:
        proof.scores.setdefault(piece.kind, Score()).count(not trouble)
    proof.faults += [trouble] if trouble else []
    proof.verdicts.append((_called(piece), said))


def _trouble(piece: Piece, said: list[Said]) -> str:
    """What is wrong with the verdicts on an answer; nothing, if they are as they must be."""
    for seed, (outcome, message) in zip(piece.seeds, said, strict=True):
        inputs = "the notebook's inputs" if seed == SEED else "fresh inputs"
        wanted = WANTED.get(piece.kind, outcome)
        if outcome == "could_not_check":
            return f"{_called(piece)} breaks the check on {inputs}: {message}"
        if piece.kind == "hard-coded" and outcome == "passed":
            return (
                f"{_called(piece)} passes on {inputs}: the check must ask for more, or draw what it asks from its seed"
            )
        if outcome != wanted:
            return f"{_called(piece)} is {outcome!r} on {inputs}, expected {wanted!r}: {message}"
        if piece.says not in message:
            return f"{_called(piece)} is refused on {inputs} without its own words {piece.says!r}: {message}"
    return ""


def _called(piece: Piece) -> str:
    return f"the {piece.kind}" if piece.kind == piece.name else f"{piece.kind} {piece.name!r}"


def _unlisted(mutant: Mutant, said: list[Said]) -> str:
    where = "" if all(outcome == "passed" for outcome, _ in said) else " on some inputs and not on others"
    return (
        f"a mutant passes{where} ({mutant.operator})\n"
        f"      was  {mutant.line}\n"
        f"      now  {mutant.change}\n"
        "    A mistake? Let the check refuse it, and add it to the wrong answers. As good as the solution? List it:\n"
        f'    EXERCISE.survive("why", {mutant.change!r})'
    )


def _conclude(proof: Proof, exercise: Exercise) -> None:
    """What only the whole shows: too few refused, and listed mutants that pass no more."""
    for change in exercise.survivors:
        if change not in proof.survivors:
            proof.faults.append(f"a mutant is listed as passing, but none like it passes; unlist it: {change}")
    share = proof.scores["mutant"].share if "mutant" in proof.scores else 1.0
    if share < ENOUGH:
        proof.faults.append(f"{share:.1%} of the mutants are refused, at least {ENOUGH:.0%} are needed")


# ---------------------------------------------------------------------------------------------------- again and again


def again(known: Sequence[Exercise], run: int) -> list[Any]:
    """All answers judged one after the other in this process, on both kinds of inputs; odd runs go backwards."""
    work = [(exercise, piece) for exercise in known if not _lacks(exercise) for piece in pieces(exercise)]
    found = []
    for exercise, piece in work[:: -1 if run % 2 else 1]:
        piece = replace(piece, seeds=(SEED, f"run {run}"))
        said = judged(exercise, piece)
        found.append([exercise.id, _called(piece), said[0], _trouble(piece, said)])
    return found


def repeat(proofs: list[Proof], runs: int, jobs: int, options: Sequence[str]) -> None:
    """Do it all again in new interpreters, and count the runs without a difference."""
    with ThreadPoolExecutor(jobs) as pool:
        for run, found in enumerate(pool.map(partial(_run, options=options), range(1, runs + 1)), start=1):
            if sys.stderr.isatty():
                print(f"\rrun {run} of {runs}", end="" if run < runs else "\n", file=sys.stderr, flush=True)
            for proof in proofs:
                faults = [fault for id, *rest in found if id == proof.exercise and (fault := _difference(proof, *rest))]
                proof.faults += [f"run {run}: {fault}" for fault in faults]
                proof.runs.count(not faults)


def _difference(proof: Proof, name: str, said: list[str], trouble: str) -> str:
    """What is wrong with a verdict of a later run."""
    before = next(list(first[0]) for called, first in proof.verdicts if called == name)
    return trouble or ("" if said == before else f"{name} got another verdict: first {before}, then {said}")


def _run(run: int, options: Sequence[str]) -> list[Any]:
    command = [sys.executable, "-m", "course_utils", "prove", "--run", str(run), *options]
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONHASHSEED": str(run), "PYTHONPATH": paths}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------------------- the table


ROWS = {
    "wrong": "wrong answers   {}  refused, each with its own words",
    "right": "right answers   {}  passed",
    "starter": "starter         {}  not attempted",
    "solution": "solution        {}  passed",
    "hard-coded": "hard-coded      {}  refused",
    "mutant": "mutants         {}  refused",
}


def table(proof: Proof) -> Iterator[str]:
    """The lines about one exercise."""
    yield f"{proof.exercise} {proof.title}: {'proven' if proof.proven else 'NOT PROVEN'}"
    for kind, row in ROWS.items():
        if kind in proof.scores:
            yield "  " + row.format(f"{proof.scores[kind]!s:>9}") + _more(proof, kind)
    if proof.runs.total:
        yield f"  runs            {proof.runs!s:>9}  with the same verdicts"
    for reason, changes in _by_reason(proof.survivors).items():
        yield f"  {len(changes)} {'passes' if len(changes) == 1 else 'pass'}: {reason}"
        yield from (f"      {change}" for change in changes)
    yield from (f"  ! {fault}" for fault in proof.faults)


def _more(proof: Proof, kind: str) -> str:
    """Of the mutants the share, and which of the kinds of mistakes got through."""
    if kind != "mutant":
        return ""
    through = [f"{name} {score}" for name, score in sorted(proof.operators.items()) if score.share < 1]
    return f" ({proof.scores[kind].share:.1%})" + (f"; not all of {', '.join(through)}" if through else "")


def _by_reason(survivors: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for change, reason in survivors.items():
        if reason:
            found.setdefault(reason, []).append(change)
    return found


def chosen(names: Sequence[str], path: str) -> list[Exercise]:
    """The exercises that were asked for; raises ValueError if there is no such exercise."""
    known = {one.id: one for one in load(path)} if path else exercises()
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"there is no exercise {unknown[0]!r}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def main(argv: Sequence[str]) -> int:
    """`python -m course_utils prove [ID ...]`."""
    parser = argparse.ArgumentParser(prog="course_utils prove", description="Prove that the checks can be believed.")
    parser.add_argument("names", nargs="*", metavar="ID", help="only these exercises (default: all)")
    parser.add_argument("--exercises", default="", metavar="PATH", help="a Python file with exercises of your own")
    parser.add_argument(
        "--runs", type=int, default=0, metavar="N", help="judge everything N times more, in new processes"
    )
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="how many processes work at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here, too")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    begin = time.perf_counter()
    try:
        known = chosen(options.names, options.exercises)
        if options.run is not None:
            print(json.dumps(again(known, options.run)))
            return 0
        proofs = [prove(exercise, options.jobs) for exercise in known]
    except (ValueError, children.NoChildren) as error:
        print(error, file=sys.stderr)
        return 2
    if options.runs:
        repeat(proofs, options.runs, options.jobs, [*options.names, *_path_option(options.exercises)])
    for proof in proofs:
        print("\n".join(table(proof)), end="\n\n")
    proven = sum(proof.proven for proof in proofs)
    print(f"{proven} of {len(proofs)} exercises proven in {time.perf_counter() - begin:.0f} s")
    if options.json:
        found = [{"proven": proof.proven} | asdict(proof) for proof in proofs]
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0 if proven == len(proofs) else 1


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text!r}")
    return int(text)


def _path_option(path: str) -> list[str]:
    return ["--exercises", str(Path(path).resolve())] if path else []
