# %% [markdown]
# # Streaming and response modes of LLM APIs
#
# A model makes its answer one token after the other. You can wait for all of it, or take each piece as it comes. This
# course lets you see, measure and build both. Everything runs in these cells: no key, no network, no cost.
#
# Click into the cell below and press **Shift+Enter**. It looks at your machine and says what to do if something is missing.

# %% id="doctor"
try:
    from course_utils import check, doctor, glossary, predict, progress, reveal
    doctor()
except ModuleNotFoundError as missing:
    print(f"{missing}: choose Kernel > Change Kernel > Python 3 (ipykernel), or start with `python3 start.py`")

# %% [markdown] id="on-the-two-modes-at-a-glance"
# ## The two modes at a glance
#
# The same question, asked twice. A **unary** call returns the whole answer when it is finished. A **streamed** call
# returns its pieces while they are being made. Nothing else differs: same model, same words.
#
# Read the picture like this. Time runs to the right, and the request leaves at the top left. A stroke is a piece of text
# that arrives. The triangle marks the first text you could read, the square the last. A dotted line is a wait, and a
# hollow circle is a message that carries no text yet.

# %% id="glance"
from course_utils import Pace, deliver, plot_timelines, ttfv

# the first token after 0.5 s (ttft), each further one 0.25 s later (itl)
pace, reply = Pace(ttft=0.5, itl=0.25), "The answer is forty two."
glance = {
    "unary": deliver(pace, reply=reply, streamed=False),
    "streamed": deliver(pace, reply=reply, streamed=True),
}
plot_timelines(glance, title="One answer, two ways to receive it")

# %% [markdown]
# | | unary | streamed |
# |---|---|---|
# | You wait | for the whole answer | for the first token |
# | It feels | slow when the answer is long | quick to begin |
# | Your code | one call, one value | a loop over chunks, and a decision what to do when it stops half-way |
# | Errors | come before the answer | may come before it **or in the middle of it** |
# | Good for | programs, short answers, answers that must be checked whole | people who read along, long answers, early stop |
#
# *Unary* is the word for "one request, one response". Some texts call this mode *batch*. Here a batch is something
# else: many requests handed in together, answered hours later, at a lower price (lesson 7).
#
# This is all the code that differs. You will run both in lesson 1.
#
# ```python
# answer = client.chat.completions.create(model=MODEL, messages=messages)
# print(answer.choices[0].message.content)
# ```
#
# ```python
# for chunk in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
#     if chunk.choices and chunk.choices[0].delta.content:
#         print(chunk.choices[0].delta.content, end="", flush=True)
# ```

# %% [markdown] id="on-the-map"
# ## The map
#
# Seven lessons, best taken in order; each is 45 minutes: about 20 of reading and trying, 25 of exercises.
#
# | | lesson | the question it answers |
# |---|---|---|
# | 1 | [Why streaming matters](01_why_streaming_matters.ipynb) | What does a reader gain, and what not? |
# | 2 | [Token-by-token generation](02_token_by_token_generation.ipynb) | What happens inside, and what is in a chunk? |
# | 3 | [Transport mechanisms](03_transport_mechanisms.ipynb) | How do the pieces travel: SSE, WebSocket and others? |
# | 4 | [Streaming trade-offs](04_streaming_tradeoffs.ipynb) | What can go wrong, and what does it cost? |
# | 5 | [First-token latency](05_first_token_latency.ipynb) | How long until something appears, and why? |
# | 6 | [Full-response latency](06_full_response_latency.ipynb) | How long until all of it is there? |
# | 7 | [Use cases by mode](07_use_cases_by_mode.ipynb) | Which mode for which application? |
#
# ```mermaid
# flowchart LR
#   L1[1 why] --> L2[2 tokens] --> L3[3 transport] --> L4[4 trade-offs] --> L5[5 first token] --> L6[6 full response] --> L7[7 use cases]
# ```
#
# In words: 1 why, 2 tokens, 3 transport, 4 trade-offs, 5 first token, 6 full response, 7 use cases. Each ends with a link to its
# exercises; lessons 3 to 7 also have a part *Going further*, for whoever has more time.

# %% [markdown] id="on-what-you-should-bring"
# ## What you should bring
#
# Answer these in your head before you open them. One wrong answer is fine; with three, look the topic up first.
#
# <details><summary>1. <b>Model parameters</b>: what does <code>max_completion_tokens</code>, long called <code>max_tokens</code>, limit?</summary>
# The length of the answer, counted in tokens. It does not make the model say the same in fewer words: it cuts.</details>
#
# <details><summary>2. <b>HTTP</b>: a response has a status, headers and a body. Which arrive first?</summary>
# Status and headers; the body follows, and may take its time. Once the status is sent it can't be changed.</details>
#
# <details><summary>3. <b>Async Python</b>: what does <code>await</code> allow to happen while it waits?</summary>
# Other tasks of the same event loop run. A plain function call that waits lets nothing else run.</details>
#
# <details><summary>4. <b>Using an API</b>: what does a client library do besides sending your request?</summary>
# It adds your key, turns JSON into objects and error codes into exceptions, and may try again after a failure.</details>

# %% [markdown] id="on-how-checks-work"
# ## How checks work
#
# First you **predict**, then you look. How many seconds does the unary lane of the picture wait for its first word? Put a
# number in place of the dots.

# %% id="predict"
predict("0.a", ...)  # for example predict("0.a", 3)

# %% id="reveal"
reveal("0.a", ttfv(glance["unary"]), "s")

# %% [markdown]
# Then you solve exercises. Each ends with a **check** of your function. Here is one before anybody has worked on it:

# %% id="check"
check("1.1", None)

# %% [markdown]
# A check always has one of five outcomes: *passed*; *not yet*, with what it gave your function, what it got and which idea
# is behind the mistake; *not attempted*; *your code raised an error*; or *could not check*, which is our fault and never
# counted against you. It believes what the mock server's ledger says, not what was printed.
#
# `hint("1.1")` has three levels: where to look, the idea, the last line but one. After you pass, `solution("1.1")` shows
# ours. `reset("1.1")` brings the starter back, keeps a copy of yours, and tells you to reload the notebook.
#
# Below a message stand the words of the course that it uses. `glossary("ttft")` says what such a word means, and the
# [glossary](glossary.ipynb) lists all of them, and where to find which topic. And this is where you stand:

# %% id="progress"
progress()

# %% [markdown]
# Numbers that others have published are true of a day. [The references](../docs/references.md) say whose they are, of when, and what
# changes when they expire.

# %% [markdown] id="on-with-a-real-model"
# ## With a real model
#
# The same cells talk to a real service when you set `OPENAI_BASE_URL` and `COURSE_MODEL` (and `OPENAI_API_KEY`, if it wants
# one) before you start. The first call then says how many tokens it is about to send. A key alone changes nothing: without
# the address you stay with the mock, and nothing can cost money.
#
# Now open [lesson 1](01_why_streaming_matters.ipynb).
