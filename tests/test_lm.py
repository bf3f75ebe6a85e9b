"""The tiny language model: its tokens, its numbers, its work, its ends, and what it was taught."""

import importlib.util
import math
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import lm
from course_utils.lm import weights
from course_utils.lm.batch import Batch
from course_utils.lm.bpe import Tokenizer
from course_utils.lm.model import Model
from course_utils.lm.plain import PlainModel

ROOT = Path(__file__).resolve().parent.parent
TOKENS = lm.tokenizer()
NOVEL = "It is a truth universally acknowledged, that"
PROMPTS = [
    TOKENS.encode(NOVEL),
    TOKENS.encode('"My dear'),
    TOKENS.chat("What is tea?"),
    TOKENS.chat("Tell me a story."),
    TOKENS.chat("Why is the sky blue?"),
]


@pytest.fixture(scope="module")
def model():
    return Model(weights.stored())


def text(ids) -> str:
    return TOKENS.decode(ids)


def greedy(model, prompt, n=60, **options) -> list[int]:
    return list(lm.generate(prompt, n, model=model, **options))


def taught(name):
    """A module of ``training``, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"training/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- tokens


@given(st.text())
def test_every_text_comes_back_from_its_tokens(string):
    assert TOKENS.decode(TOKENS.encode(string)) == string


@pytest.mark.parametrize(
    "string", ["", " ", "\n\n\t ", "don't", "naïve café", "🫖 🎉", "👩‍👩‍👧", "日本語", "\0\x7f", "<|end|>"]
)
def test_odd_texts_come_back_too(string):
    ids = TOKENS.encode(string)
    assert b"".join(map(TOKENS.token_bytes, ids)) == string.encode()


def test_half_an_emoji_is_refused_with_what_it_is():
    with pytest.raises(ValueError, match=r"'\\ud83c' is half of a character"):
        TOKENS.encode("tea \ud83c")


def test_a_mark_written_in_a_text_is_no_mark():
    assert TOKENS.end not in TOKENS.encode("<|end|>")


def test_an_emoji_is_several_tokens_none_of_which_is_text():
    ids = TOKENS.encode("🫖")
    assert len(ids) == 4
    assert [TOKENS.token_bytes(id) for id in ids] == [b"\xf0", b"\x9f", b"\xab", b"\x96"]


def test_a_usual_word_is_one_token_with_its_space():
    assert [TOKENS.token_bytes(id) for id in TOKENS.encode(" she was")] == [b" she", b" was"]


def test_the_pair_that_was_merged_first_is_merged_first():
    assert Tokenizer([(98, 99), (97, 98)]).encode("abc") == [97, 256]  # bc before ab


def test_one_endless_word_takes_no_endless_time():
    assert TOKENS.decode(TOKENS.encode("a" * 100_000)) == "a" * 100_000


def test_an_id_outside_the_vocabulary_is_refused():
    assert TOKENS.size == weights.VOCABULARY
    with pytest.raises(ValueError, match=r"from 0 to 1023, got 1024"):
        TOKENS.token_bytes(1024)


# --- the stored weights


def test_the_weights_are_small_and_whole():
    assert weights.FILE.stat().st_size == 2 * weights.PARAMETERS <= 2_000_000


def test_other_weights_are_refused(tmp_path):
    (tmp_path / "austen.bin").write_bytes(weights.stored()[:-1] + b"\0")
    with pytest.raises(ValueError, match="not the trained ones: expected sha256"):
        weights.stored(tmp_path / "austen.bin")


def test_the_loss_on_text_it_has_never_seen():
    evaluate = taught("evaluate")
    assert (
        evaluate.bits_per_character(evaluate.HELD_OUT.read_text("utf-8")) <= 1.40
    )  # as shipped 1.3745; 1.50 was the aim


# --- the same numbers on every way


def test_reading_at_once_and_one_by_one_gives_the_same_logits(model):
    ids = TOKENS.encode(NOVEL)
    cache = model.cache()
    singly = [model.forward([id], cache)[-1] for id in ids]
    np.testing.assert_allclose(singly, model.forward(ids), atol=1e-4)


def test_a_token_does_not_see_those_behind_it(model):
    one, other = model.forward([5, 6, 7]), model.forward([5, 6, 8])
    np.testing.assert_allclose(one[:2], other[:2], atol=1e-5)
    assert not np.allclose(one[2], other[2])


@pytest.mark.parametrize("prompt", PROMPTS, ids=text)
def test_cache_and_precision_do_not_change_the_text(model, prompt):
    said = greedy(model, prompt)
    assert said == greedy(model, prompt, cache=False)
    assert said == greedy(Model(weights.stored(), np.float64), prompt)
    drawn = greedy(model, prompt, temperature=0.8, seed=1)
    assert drawn == greedy(Model(weights.stored(), np.float64), prompt, temperature=0.8, seed=1, cache=False)


def test_the_model_without_numpy_computes_the_same(model):
    ids = TOKENS.encode("She was")
    np.testing.assert_allclose(PlainModel(weights.stored()).forward(ids), model.forward(ids), atol=1e-4)


def test_without_numpy_the_text_is_the_same(model):
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from course_utils import lm\n"
        "print(type(lm.load()).__name__, list(lm.generate('She was', 8)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"PlainModel {greedy(model, 'She was', 8)}\n"


# --- the work


def test_with_a_cache_each_token_is_read_once(model):
    before = model.tokens_processed
    assert len(greedy(model, [1, 2, 3, 4], 10)) == 10
    assert model.tokens_processed - before == 4 + 10 - 1


def test_without_a_cache_all_is_read_again_for_each_token(model):
    before = model.tokens_processed
    assert len(greedy(model, [1, 2, 3, 4], 10, cache=False)) == 10
    assert model.tokens_processed - before == sum(range(4, 4 + 10))


def test_a_token_is_made_when_it_is_asked_for(model):
    before = model.tokens_processed
    making = lm.generate([1, 2, 3, 4], 10, model=model)
    assert model.tokens_processed == before
    next(making)
    assert model.tokens_processed - before == 4


# --- where it ends


def run(making):
    ids = []
    while True:
        try:
            ids.append(next(making))
        except StopIteration as end:
            return ids, end.value


@pytest.mark.parametrize("prompt", PROMPTS[2:], ids=text)
def test_an_answer_ends_by_itself(model, prompt):
    ids, ended = run(lm.generate(prompt, model=model))
    assert ended == "stop" and TOKENS.end not in ids and 5 < len(ids) < 120


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Hello!", "Good morning! I am very glad to see you. Will you sit down and have some tea?"),
        ("haiku", "One word, then the next:\nthe page fills while you are still\nlooking for your cup."),
    ],
)
def test_the_likeliest_answer_is_the_same_on_every_machine(model, question, answer):
    assert text(greedy(model, TOKENS.chat(question))) == answer


def test_an_answer_may_contain_a_character_of_several_tokens(model):
    ids = greedy(model, TOKENS.chat("What is a token?"))
    assert text(ids).endswith(" an emoji. 🙂")
    assert [TOKENS.token_bytes(id) for id in ids[-4:]] == [b"\xf0", b"\x9f", b"\x99", b"\x82"]


def test_a_limit_ends_it_with_length(model):
    assert run(lm.generate(NOVEL, 3, model=model)) == (greedy(model, NOVEL, 3), "length")


def test_the_context_ends_it_when_it_is_full(model):
    prompt = TOKENS.encode(NOVEL * 20)[: lm.CONTEXT - 2]
    ids, ended = run(lm.generate(prompt, model=model))
    assert (len(ids), ended) == (2, "length")


@pytest.mark.parametrize("count", [0, 257])
def test_a_prompt_that_does_not_fit_is_refused(count):
    with pytest.raises(ValueError, match=f"1 to 256 tokens, this one has {count}"):
        next(lm.generate([1] * count))


@pytest.mark.parametrize(
    ("ids", "words"), [([], "at least one"), ([1] * 257, "256 tokens at most"), ([1024], "got 1024"), ([-1], "got -1")]
)
@pytest.mark.parametrize("kind", [Model, PlainModel])
def test_the_model_refuses_what_it_cannot_read(kind, ids, words, model):
    with pytest.raises(ValueError, match=words):
        kind.forward(model if kind is Model else _plain(), ids)


def _plain(kept=[]):  # noqa: B006 (made once: it takes half a second)
    return kept[0] if kept else kept.append(PlainModel(weights.stored())) or kept[0]


# --- sampling


def test_temperature_0_takes_the_likeliest_and_of_two_the_first():
    assert lm.sample([1.0, 3.0, 3.0], temperature=0) == 1
    assert lm.probabilities([1.0, 3.0, 3.0], temperature=0) == [0.0, 1.0, 0.0]


def test_probabilities_are_shares_and_temperature_sharpens_them():
    logits = [0.0, math.log(3)]
    assert lm.probabilities(logits) == pytest.approx([0.25, 0.75])
    assert lm.probabilities(logits, temperature=0.5) == pytest.approx([0.1, 0.9])


def test_huge_logits_do_not_overflow():
    assert lm.probabilities([1e4, 1e4 - 1000.0]) == [1.0, 0.0]


def test_top_k_keeps_so_many_and_shares_anew():
    assert lm.probabilities([0.0, 0.0, 0.0, -1.0], top_k=2) == [0.5, 0.5, 0.0, 0.0]


def test_top_p_keeps_the_likeliest_that_are_enough():
    logits = [math.log(share) for share in (0.125, 0.5, 0.25, 0.125)]
    assert lm.probabilities(logits, top_p=0.7) == pytest.approx([0.0, 2 / 3, 1 / 3, 0.0])


def test_draws_follow_the_probabilities():
    rng, logits = random.Random(1), [math.log(share) for share in (0.5, 0.3, 0.2)]
    seen = Counter(lm.sample(logits, rng=rng) for _ in range(10_000))
    assert [seen[id] / 10_000 for id in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        lm.probabilities([0.0, 1.0], **wrong)


def test_runs_at_temperature_0_are_one_text_and_100_at_0_8_many(model):
    prompt = PROMPTS[1]
    assert len({tuple(greedy(model, prompt, 5)) for _ in range(20)}) == 1
    assert len({tuple(greedy(model, prompt, 5, temperature=0.8, seed=seed)) for seed in range(100)}) > 50
    assert len({tuple(greedy(model, prompt, 5, temperature=0.8, seed=7)) for _ in range(20)}) == 1


# --- what it was taught


def test_the_dialogues_are_the_same_every_time_and_every_answer_ends():
    pairs = taught("dialogues").every()
    assert pairs == taught("dialogues").every()
    assert len(pairs) > 2000
    assert all(TOKENS.decode(TOKENS.encode(answer)) == answer for _, answer in pairs)
    assert {answer[-1] for _, answer in pairs if answer.isascii()} <= set(".!?")


def test_chapters_have_whole_paragraphs_and_no_headings():
    lines = ["VOLUME I", "", "CHAPTER I", "", "It was", "_late_.", "", '"Late?"', "", "CHAPTER II", "", "No. " * 400]
    first, second = taught("corpus").chapters(["x", *lines[:8], *["", "Yes. " * 300], *lines[8:]])
    assert first.startswith('It was late.\n\n"Late?"\n\nYes.')
    assert second.startswith("No. No.")


def test_an_exchange_is_a_question_and_the_answer_in_the_next_paragraph():
    chapter = 'She sat.\n\n"Is it late?" said Anne.\n\n"Not very late," said he.\n\n"It is very late."'
    assert list(taught("corpus").exchanges([chapter])) == []
    chapter = 'She sat.\n\n"Is it so very late?"\n\n"Not so late," said he, "as you think."'
    assert list(taught("corpus").exchanges([chapter])) == [("Is it so very late?", "Not so late, as you think.")]


def in_a_batch(model: Model, prompts: list[list[int]], count: int) -> list[list[int]]:
    """The likeliest ``count`` tokens behind each of prompts of one length, all texts in the same steps."""
    batch, texts = Batch(model, len(prompts)), [list(prompt) for prompt in prompts]
    for at in range(len(prompts[0]) + count - 1):
        rows = batch.step([text[at] for text in texts])
        for text, row in zip(texts, rows, strict=True):
            if at + 1 == len(text):
                text.append(int(row.argmax()))
    return [text[-count:] for text in texts]


def test_a_text_in_a_batch_is_the_text_it_is_alone(model):
    prompts = [TOKENS.encode(text)[:4] for text in (NOVEL, "Mr. Darcy was not at all", "It is a truth, that")]
    assert in_a_batch(model, prompts, 12) == [greedy(model, prompt, 12) for prompt in prompts]


def test_the_logits_of_a_step_are_those_of_each_text_alone(model):
    batch = Batch(model, 2)
    batch.step([5, 300])
    rows = batch.step([7, 9])
    for row, ids in zip(rows, ([5, 7], [300, 9]), strict=True):
        np.testing.assert_allclose(row, model.forward(ids)[-1], atol=1e-3)


def test_a_step_of_a_batch_reads_a_token_of_each_text(model):
    before = model.tokens_processed
    Batch(model, 3).step([1, 2, 3])
    assert model.tokens_processed - before == 3


def test_a_batch_takes_a_token_for_each_of_its_texts_and_has_at_least_one(model):
    with pytest.raises(ValueError, match="a token for each of 2 texts, got 3"):
        Batch(model, 2).step([1, 2, 3])
    with pytest.raises(ValueError, match="at least one text"):
        Batch(model, 0)
    with pytest.raises(ValueError, match="0 to 1023"):
        Batch(model, 1).step([1024])
