"""Each kind of mistake on a tiny function: the lines it makes, and those it does not."""

import ast
import textwrap

import pytest

from course_utils.mutants import mutants


def made(source: str, operator: str = "") -> list[str]:
    """The changed lines of one kind of mistake, or of all."""
    return [one.change for one in mutants(textwrap.dedent(source)) if operator in ("", one.operator)]


def body(line: str, operator: str = "") -> list[str]:
    return made(f"def f(a, b):\n    {line}\n", operator)


def test_an_operator_becomes_each_of_the_others():
    assert body("return a + b", "arithmetic") == [f"return a {sign} b" for sign in ("-", "*", "/", "//", "%", "**")]
    assert "return a / b" in body("return a // b", "arithmetic")


def test_a_comparison_gets_every_other_bound():
    assert body("return a < b", "comparison") == [f"return a {sign} b" for sign in ("<=", ">", ">=", "==", "!=")]
    assert "return 0 < a <= b" in body("return 0 < a < b", "comparison")


def test_is_and_in_become_their_opposite():
    assert body("return a is None", "comparison") == ["return a is not None"]
    assert body("return a is not None", "comparison") == ["return a is None"]
    assert body("return a in b", "comparison") == ["return a not in b"]
    assert body("return a not in b", "comparison") == ["return a in b"]


def test_and_becomes_or_and_loses_a_side():
    assert body("return a and b", "and, or") == ["return a or b"]
    assert body("return a or b", "and, or") == ["return a and b"]
    assert body("return a and b", "operand") == ["return b", "return a"]


def test_not_and_minus_are_dropped():
    assert [line.replace("  ", " ") for line in body("return not a", "sign")] == ["return a"]
    assert body("return -a", "sign") == ["return a"]


def test_a_number_becomes_its_neighbours_and_the_usual_suspects():
    assert body("return a[5]", "constant") == [f"return a[{n}]" for n in (0, 1, 2, 4, 6)]
    assert body("return 0.5", "constant") == [f"return {n}" for n in ("-0.5", "0", "1", "1.5", "2")]


def test_a_text_becomes_empty_and_every_other_text_of_the_function():
    assert body("return 'yes' if a else 'no'", "constant")[:3] == [
        "return '' if a else 'no'",
        "return 'x' if a else 'no'",
        "return 'no' if a else 'no'",
    ]
    assert body('return f"{a} s"', "string") == ["return ''"]


def test_true_false_and_none_are_exchanged():
    assert body("return True", "constant") == ["return False"]
    assert body("return a is None", "constant") == ["return a is 0"]


def test_a_name_becomes_every_other_name_of_the_function_and_none_from_elsewhere():
    source = """
        import os
        def f(a):
            x = a
            return [y for y in x]
        def g(z):
            return z
    """
    lines = made(source, "name")
    assert {"x = x", "a = a", "return [a for y in x]", "return [y for x in x]", "return [y for y in a]"} <= set(lines)
    assert not any("z" in line.replace("zip", "") or "os" in line for line in lines)
    assert not any("in y" in line for line in lines if line != "return [y for y in y]")


def test_min_becomes_max():
    assert "return max(a, b)" in body("return min(a, b)", "name")


def test_a_call_gives_way_to_what_it_was_given():
    assert body("return max(a, b)", "operand") == ["return a", "return b"]


def test_an_operand_is_dropped_and_a_difference_turned_round():
    assert set(body("return a - b", "operand")) == {"return a", "return b", "return b - a"}
    assert set(body("return a + b", "operand")) == {"return a", "return b"}


def test_a_condition_is_turned_round_and_fixed():
    assert body("return 1 if a else 2", "condition") == [f"return 1 if {c} else 2" for c in ("not a", "True", "False")]
    assert "if not (a > b):" in made("def f(a, b):\n    if a > b:\n        return a\n    return b\n", "condition")


def test_an_assignment_that_adds_does_something_else():
    assert {"a = b", "a -= b", "a *= b"} <= set(body("a += b", "arithmetic"))


LOOP = """
def f(items):
    total = 0
    for item in items:
        if item < 0:
            break
        total += item
        yield item
    return total
"""


def test_break_becomes_continue():
    assert made(LOOP, "break, continue") == ["continue"]


def test_a_return_and_a_yield_are_dropped():
    assert set(made(LOOP, "hand over")) == {"item", "return item", "total", "return None"}


def test_every_statement_is_removed_once_but_no_return():
    assert made(LOOP, "removed") == [
        "total = 0 (removed)",
        "for item in items: (removed)",
        "if item < 0: (removed)",
        "break (removed)",
        "total += item (removed)",
        "yield item (removed)",
    ]


def test_statements_move_in_and_out_of_loops_and_past_each_other():
    assert set(made(LOOP, "moved")) == {
        'total = 0 (moved into "for item in items:")',
        'break (moved before "if item < 0:")',
        'break (moved behind "if item < 0:")',
        'total += item (moved into "if item < 0:")',
        'yield item (moved before "total += item")',
        'yield item (moved behind "for item in items:")',
        'return total (moved into "for item in items:")',
    }


def test_a_moved_statement_stands_where_it_says():
    moved = {one.change: one.source for one in mutants(LOOP)}
    lines = moved['yield item (moved behind "for item in items:")'].splitlines()
    assert lines[-2:] == ["    yield item", "    return total"]
    lines = moved['return total (moved into "for item in items:")'].splitlines()
    assert lines[-2:] == ["        yield item", "        return total"]


def test_a_block_of_one_statement_keeps_its_shape_when_that_moves_out():
    source = "def f(items):\n    for item in items:\n        yield item\n"
    assert "    for item in items:\n        pass\n    yield item\n" in "".join(one.source for one in mutants(source))


def test_an_awaited_call_is_not_awaited():
    source = "async def f(a):\n    async for item in a:\n        await item\n"
    assert "item" in made(source, "hand over")


def test_docstrings_and_comments_are_left_alone():
    assert made('def f():\n    """Text."""  # more\n') == []
    assert made("def f(a, b):\n    return a < b  # not > that\n", "comparison")[0] == "return a <= b  # not > that"


def test_letters_of_more_than_one_byte_do_not_shift_anything():
    assert made("def f(a):\n    return '🌧️' + a + 1\n", "constant")[-1] == "return '🌧️' + a + 2"


@pytest.mark.parametrize(
    "source", [LOOP, "def f(a):\n    try:\n        return a[0]\n    except IndexError:\n        return 0\n"]
)
def test_every_mutant_compiles_and_none_comes_twice(source):
    trees = [ast.dump(ast.parse(one.source)) for one in mutants(source)]
    assert len(set(trees)) == len(trees)
    assert ast.dump(ast.parse(source)) not in trees


def test_the_line_before_is_known_too():
    one = next(one for one in mutants(LOOP) if one.operator == "comparison")
    assert (one.line, one.change) == ("if item < 0:", "if item <= 0:")
