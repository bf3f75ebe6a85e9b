"""llm, the command line and the library, which learns of the mock from a file in the user's folder."""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import openai

from expected import ARGUMENTS, MODEL, PROMPT, SLOW, TEXT, TOKENS
from report import feature, feature_of, first_three, raises, report, same, streamed

MODELS = [SLOW, *(MODEL + wish for wish in ("", ";calls=1", ";filter=3", ";error=429", ";error-at=3", ";cut=3"))]


def settings(api: str, model: str) -> dict[str, object]:
    where = {"model_name": model, "api_base": os.environ["OPENAI_BASE_URL"]}
    return where | {"model_id": f"{api}:{model}", "responses": api == "responses", "supports_tools": True}


folder = tempfile.TemporaryDirectory(prefix="llm-")
os.environ["LLM_USER_PATH"] = folder.name
Path(folder.name, "extra-openai-models.yaml").write_text(  # JSON is YAML
    json.dumps([settings(api, model) for api in ("chat", "responses") for model in MODELS])
)

import llm  # noqa: E402  it reads the folder's name


def chat(model: str = MODEL) -> llm.Model:
    return llm.get_model(f"chat:{model}")


def responses(model: str = MODEL) -> llm.Model:
    return llm.get_model(f"responses:{model}")


def command_line(model: str):
    """What ``llm -m MODEL PROMPT`` writes, as it writes it."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    with subprocess.Popen([sys.executable, "-m", "llm", "-m", model, PROMPT], stdout=subprocess.PIPE) as process:
        while data := os.read(process.stdout.fileno(), 4096):
            yield decode(data).removesuffix("\n")


@feature_of(chat, responses)
def streamed_text(api):
    return streamed(api(SLOW).prompt(PROMPT))


@feature_of(chat, responses)
def command_line_streams(api):
    return streamed(command_line(f"{api.__name__}:{SLOW}"))


@feature_of(chat, responses)
def whole_text(api):
    same(api().prompt(PROMPT, stream=False).text(), TEXT)


@feature_of(chat, responses)
def usage(api):
    answer, whole = api().prompt(PROMPT), api().prompt(PROMPT, stream=False)
    same(answer.usage().output, len(TOKENS))
    same((whole.usage().input, whole.usage().output), (answer.usage().input, answer.usage().output))


@feature_of(chat, responses)
def tool_round(api):
    came = []

    def weather(city: str, days: int) -> str:
        came.append({"city": city, "days": days})
        return "the sky is clear"

    same(api(f"{MODEL};calls=1").chain(PROMPT, tools=[weather]).text(), TEXT)
    same(came, [ARGUMENTS])


@feature
def chat_length_stop():
    answer = chat().prompt(PROMPT, max_tokens=3)
    same((answer.text(), answer.response_json["finish_reason"]), ("".join(TOKENS[:3]), "length"))


@feature
def responses_length_stop():
    same(responses().prompt(PROMPT, max_tokens=3).text(), "".join(TOKENS[:3]))


@feature
def chat_content_filter():
    answer = chat(f"{MODEL};filter=3").prompt(PROMPT)
    same((answer.text(), answer.response_json["finish_reason"]), ("".join(TOKENS[:3]), "content_filter"))


@feature
def chat_error_before_the_stream():
    with raises(openai.RateLimitError):
        chat(f"{MODEL};error=429").prompt(PROMPT).text()
    with urllib.request.urlopen(os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/ledger") as ledger:
        refused = [entry for entry in json.load(ledger) if entry["status"] == 429]
    same(len(refused), 3)
    return "after 2 retries, which llm leaves to openai"


@feature_of(chat, responses)
def error_inside_the_stream(api):
    first_three(api(f"{MODEL};error-at=3").prompt(PROMPT), openai.APIError, "the mock broke off")


@feature_of(chat, responses)
def cut_connection(api):
    first_three(api(f"{MODEL};cut=3").prompt(PROMPT), openai.APIConnectionError)


if __name__ == "__main__":
    with folder:
        report()
