"""An exercise of one's own; docs/writing-exercises.md goes through it. Prove it with

python3 start.py prove --exercises docs/example_exercise.py
"""

from itertools import pairwise

from course_utils.checks.exercise import Exercise, NotYet

STATEMENT = """
## 9.1 The longest silence (10 minutes)

A reader minds the longest time in which nothing new appears, the wait for the first piece included. `arrivals` has one
time per piece, in seconds since the request. With no piece at all there was no silence to measure: return 0.0.
"""

CELL = '''
def longest_silence(arrivals):
    """Return the longest time without new text, in seconds.

    For pieces at [1.0, 1.5, 4.0] the answer is 2.5.
    """
    # solution
    before, longest = 0.0, 0.0
    for arrived in arrivals:
        if arrived - before > longest:
            longest = arrived - before
        before = arrived
    return longest
'''


def expected(arrivals):
    return max((later - earlier for earlier, later in pairwise([0.0, *arrivals])), default=0.0)


def case(answer, arrivals, why):
    got, right = answer.call(list(arrivals)), expected(arrivals)
    if arrivals and type(got) not in (int, float):
        raise NotYet("Return one number of seconds.", given=f"arrivals={arrivals}", got=got, expected=right)
    if got != right:
        raise NotYet(why, given=f"arrivals={arrivals}", got=got, expected=right)


def check(answer, draw):
    case(answer, [1.0, 1.5, 4.0], "Compare neighbours: how long after each piece did the next one come?")
    case(answer, [1.0, 5.0, 5.5], "The longest silence need not be the last one.")
    case(answer, [3.0, 3.5, 4.0], "The wait for the first piece is a silence too. Where does it begin?")
    case(
        answer,
        [2.0, 3.0, 6.0, 10.0],
        "The longest silence may come late. Compare silences with silences, not with times.",
    )
    case(answer, [], "With no pieces the answer is 0.0.")
    for _ in range(10):
        arrivals = sorted(draw.randint(0, 80) / 8 for _ in range(draw.randint(1, 9)))
        case(answer, arrivals, "Another timeline goes wrong. Write its times on paper and the silences between them.")


EXERCISE = Exercise(
    id="9.1",
    title="longest_silence",
    function="longest_silence",
    minutes=10,
    points=2,
    core=False,
    statement=STATEMENT,
    cell=CELL,
    hints=(
        "Write the arrivals on a line that begins at the request. Which stretch is the longest?",
        "Each silence has two ends: the piece before, or the request, and the piece that ends it.",
        "Keep two variables, before = 0.0 and longest = 0.0. For each arrival update longest first, then before.",
    ),
    reason="The request is treated as the piece before the first, so no case is special.",
    check=check,
)

EXERCISE.survive("of two equal silences either is the longest", "if arrived - before >= longest:")


@EXERCISE.wrong("forgets the wait for the first piece", says="wait for the first piece")
def _(arrivals):
    return max((later - earlier for earlier, later in pairwise(arrivals)), default=0.0)


@EXERCISE.wrong("takes the whole time", says="Compare neighbours")
def _(arrivals):
    return arrivals[-1] if arrivals else 0.0


@EXERCISE.wrong("keeps the last silence", says="need not be the last")
def _(arrivals):
    before, silence = 0.0, 0.0
    for arrived in arrivals:
        before, silence = arrived, arrived - before
    return silence


@EXERCISE.wrong("stumbles over an empty list", says="With no pieces")
def _(arrivals):
    return max((later - earlier for earlier, later in pairwise([0.0, *arrivals])), default=None)


@EXERCISE.wrong("returns all silences", says="one number")
def _(arrivals):
    return [later - earlier for earlier, later in pairwise([0.0, *arrivals])]


@EXERCISE.wrong("compares a silence with a time", says="not with times")
def _(arrivals):
    before, longest = 0.0, 0.0
    for arrived in arrivals:
        if arrived - before > before:
            longest = arrived - before
        before = arrived
    return longest


@EXERCISE.right
def _(arrivals):
    return max((later - earlier for earlier, later in pairwise([0.0, *arrivals])), default=0.0)


@EXERCISE.right
def _(arrivals):
    marks = [0.0, *arrivals]
    return sorted(marks[index + 1] - marks[index] for index in range(len(arrivals)))[-1] if arrivals else 0.0
