# %% [markdown]
# # The words of the course, and where to find what
#
# Each word and metric with its meaning, its unit, where it comes from, and where you meet it. In any notebook of the course
# `glossary("ttft")` tells you of one word, and `glossary("chunk", "delta")` of two. Below the message of a check stand the
# words it uses. A link opens a lesson; if it stays at its beginning, follow it once more.

# %% id="words"
from course_utils import glossary

glossary()

# %% [markdown]
# ## Where to find what
#
# Topics in the order of the alphabet, each with the lesson and the heading under which it stands.
#
# - accessibility, screen readers:
#   [4 The bill](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-bill)
# - agents, many turns:
#   [3 Is a WebSocket ever faster?](03_transport_mechanisms.ipynb#cell-id=03-on-is-a-websocket-ever-faster)
# - asynchronous calls:
#   [2 Two streams at once](02_token_by_token_generation.ipynb#cell-id=02-on-two-streams-at-once),
#   [4 One flag, two shapes](04_streaming_tradeoffs.ipynb#cell-id=04-on-one-flag-two-shapes),
#   [6 The gather that isn't](06_full_response_latency.ipynb#cell-id=06-on-the-gather-that-isn-t),
#   [7 The café with one waiter](07_use_cases_by_mode.ipynb#cell-id=07-on-the-caf-with-one-waiter)
# - background jobs:
#   [4 Silence on the line](04_streaming_tradeoffs.ipynb#cell-id=04-on-silence-on-the-line),
#   [4 Retry, resume, stop](04_streaming_tradeoffs.ipynb#cell-id=04-on-retry-resume-stop),
#   [7 Nobody is watching](07_use_cases_by_mode.ipynb#cell-id=07-on-nobody-is-watching),
#   [7 Closed the laptop](07_use_cases_by_mode.ipynb#cell-id=07-on-closed-the-laptop)
# - backpressure, slow readers:
#   [7 A board for everybody](07_use_cases_by_mode.ipynb#cell-id=07-on-a-board-for-everybody)
# - batch, what the word means:
#   [0 The two modes at a glance](00_start_here.ipynb#cell-id=00-on-the-two-modes-at-a-glance),
#   [6 Nobody waits](06_full_response_latency.ipynb#cell-id=06-on-nobody-waits),
#   [7 Three decisions](07_use_cases_by_mode.ipynb#cell-id=07-on-three-decisions),
#   [7 Forty reviews](07_use_cases_by_mode.ipynb#cell-id=07-on-forty-reviews)
# - batches inside a server:
#   [6 A step for sixteen](06_full_response_latency.ipynb#cell-id=06-on-a-step-for-sixteen)
# - billing, money:
#   [1 What the server says](01_why_streaming_matters.ipynb#cell-id=01-on-what-the-server-says),
#   [3 The bill that never stops](03_transport_mechanisms.ipynb#cell-id=03-on-the-bill-that-never-stops),
#   [4 The meter is running](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-meter-is-running),
#   [7 Closed the laptop](07_use_cases_by_mode.ipynb#cell-id=07-on-closed-the-laptop)
# - `break` and `with`:
#   [4 The meter is running](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-meter-is-running)
# - browsers:
#   [3 The bill that never stops](03_transport_mechanisms.ipynb#cell-id=03-on-the-bill-that-never-stops),
#   [3 In a real browser](03_transport_mechanisms.ipynb#cell-id=03-on-in-a-real-browser)
# - buffering:
#   [3 Who holds it back?](03_transport_mechanisms.ipynb#cell-id=03-on-who-holds-it-back)
# - cache of prompts (prefix cache):
#   [5 One timestamp](05_first_token_latency.ipynb#cell-id=05-on-one-timestamp)
# - cache of the model (KV cache):
#   [2 Reading and writing](02_token_by_token_generation.ipynb#cell-id=02-on-reading-and-writing)
# - cancelling, stopping early:
#   [4 The meter is running](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-meter-is-running),
#   [4 Retry, resume, stop](04_streaming_tradeoffs.ipynb#cell-id=04-on-retry-resume-stop),
#   [7 Closed the laptop](07_use_cases_by_mode.ipynb#cell-id=07-on-closed-the-laptop)
# - character by character, or not:
#   [1 One question, two ways to wait](01_why_streaming_matters.ipynb#cell-id=01-on-one-question-two-ways-to-wait),
#   [2 Chunk, token, character, byte](02_token_by_token_generation.ipynb#cell-id=02-on-chunk-token-character-byte)
# - chat and its history:
#   [4 What stays in the conversation](04_streaming_tradeoffs.ipynb#cell-id=04-on-what-stays-in-the-conversation),
#   [7 A web chat that keeps its books](07_use_cases_by_mode.ipynb#cell-id=07-on-a-web-chat-that-keeps-its-books)
# - chat, why it streams:
#   [1 Measure it](01_why_streaming_matters.ipynb#cell-id=01-on-measure-it),
#   [7 A web chat that keeps its books](07_use_cases_by_mode.ipynb#cell-id=07-on-a-web-chat-that-keeps-its-books)
# - cheat sheet of use cases:
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - checks and their outcomes:
#   [0 How checks work](00_start_here.ipynb#cell-id=00-on-how-checks-work)
# - choosing a mode by program:
#   [7 A long prompt](07_use_cases_by_mode.ipynb#cell-id=07-on-a-long-prompt),
#   [7 Two types in one coat](07_use_cases_by_mode.ipynb#cell-id=07-on-two-types-in-one-coat)
# - chunks, what is in them:
#   [1 The first chunk is not the first word](01_why_streaming_matters.ipynb#cell-id=01-on-the-first-chunk-is-not-the-first-word),
#   [2 Anatomy of a stream](02_token_by_token_generation.ipynb#cell-id=02-on-anatomy-of-a-stream)
# - classification of many items:
#   [7 Forty reviews](07_use_cases_by_mode.ipynb#cell-id=07-on-forty-reviews),
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - clocks, and how to read them:
#   [1 Measure it](01_why_streaming_matters.ipynb#cell-id=01-on-measure-it),
#   [5 One stream, five clocks](05_first_token_latency.ipynb#cell-id=05-on-one-stream-five-clocks)
# - cold and warm requests:
#   [5 Warm and cold](05_first_token_latency.ipynb#cell-id=05-on-warm-and-cold)
# - collaborative writing:
#   [3 Others that you will meet](03_transport_mechanisms.ipynb#cell-id=03-on-others-that-you-will-meet),
#   [7 A board for everybody](07_use_cases_by_mode.ipynb#cell-id=07-on-a-board-for-everybody)
# - collecting a stream, putting it together:
#   [2 Anatomy of a stream](02_token_by_token_generation.ipynb#cell-id=02-on-anatomy-of-a-stream),
#   [4 Four endings](04_streaming_tradeoffs.ipynb#cell-id=04-on-four-endings)
# - comparing two modes:
#   [6 The experiment](06_full_response_latency.ipynb#cell-id=06-on-the-experiment),
#   [6 A design that holds](06_full_response_latency.ipynb#cell-id=06-on-a-design-that-holds)
# - compression:
#   [3 Who holds it back?](03_transport_mechanisms.ipynb#cell-id=03-on-who-holds-it-back)
# - confidence intervals:
#   [6 A design that holds](06_full_response_latency.ipynb#cell-id=06-on-a-design-that-holds)
# - connections and what they cost:
#   [3 Five transports, one clock](03_transport_mechanisms.ipynb#cell-id=03-on-five-transports-one-clock),
#   [5 Warm and cold](05_first_token_latency.ipynb#cell-id=05-on-warm-and-cold)
# - coordinated omission:
#   [5 Two load generators, one frozen server](05_first_token_latency.ipynb#cell-id=05-on-two-load-generators-one-frozen-server)
# - dashboards:
#   [7 A board for everybody](07_use_cases_by_mode.ipynb#cell-id=07-on-a-board-for-everybody)
# - deadlines:
#   [6 The time-out that never fired](06_full_response_latency.ipynb#cell-id=06-on-the-time-out-that-never-fired)
# - deciding how to send and how to show:
#   [4 The bill](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-bill),
#   [7 Three decisions](07_use_cases_by_mode.ipynb#cell-id=07-on-three-decisions),
#   [7 Nobody is watching](07_use_cases_by_mode.ipynb#cell-id=07-on-nobody-is-watching),
#   [7 A long prompt](07_use_cases_by_mode.ipynb#cell-id=07-on-a-long-prompt),
#   [7 One page](07_use_cases_by_mode.ipynb#cell-id=07-on-one-page)
# - `delta` and `message`:
#   [1 One question, two ways to wait](01_why_streaming_matters.ipynb#cell-id=01-on-one-question-two-ways-to-wait),
#   [2 Anatomy of a stream](02_token_by_token_generation.ipynb#cell-id=02-on-anatomy-of-a-stream)
# - documents and reports:
#   [7 Nobody is watching](07_use_cases_by_mode.ipynb#cell-id=07-on-nobody-is-watching),
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - efficiency, bytes on the wire:
#   [4 What TLS shows](04_streaming_tradeoffs.ipynb#cell-id=04-on-what-tls-shows)
# - e-mails:
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet),
#   [7 To take home](07_use_cases_by_mode.ipynb#cell-id=07-on-to-take-home)
# - endings of a stream:
#   [4 Four endings](04_streaming_tradeoffs.ipynb#cell-id=04-on-four-endings),
#   [4 Finished, and still not whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-finished-and-still-not-whole)
# - endpoints of your own (FastAPI):
#   [3 Write the server's side](03_transport_mechanisms.ipynb#cell-id=03-on-write-the-server-s-side),
#   [3 On a real port](03_transport_mechanisms.ipynb#cell-id=03-on-on-a-real-port),
#   [7 The café with one waiter](07_use_cases_by_mode.ipynb#cell-id=07-on-the-caf-with-one-waiter),
#   [7 A web chat that keeps its books](07_use_cases_by_mode.ipynb#cell-id=07-on-a-web-chat-that-keeps-its-books)
# - errors after the status 200:
#   [4 Four endings](04_streaming_tradeoffs.ipynb#cell-id=04-on-four-endings)
# - `EventSource`:
#   [3 The bill that never stops](03_transport_mechanisms.ipynb#cell-id=03-on-the-bill-that-never-stops),
#   [3 Two other ways to end the bill](03_transport_mechanisms.ipynb#cell-id=03-on-two-other-ways-to-end-the-bill)
# - exceptions, which to catch:
#   [4 Four endings](04_streaming_tradeoffs.ipynb#cell-id=04-on-four-endings),
#   [4 One flag, two shapes](04_streaming_tradeoffs.ipynb#cell-id=04-on-one-flag-two-shapes)
# - experiments that mislead:
#   [6 The experiment](06_full_response_latency.ipynb#cell-id=06-on-the-experiment),
#   [6 The server they used](06_full_response_latency.ipynb#cell-id=06-on-the-server-they-used)
# - failures in a load test:
#   [5 Failures are not fast](05_first_token_latency.ipynb#cell-id=05-on-failures-are-not-fast)
# - fake streams:
#   [1 An imitation](01_why_streaming_matters.ipynb#cell-id=01-on-an-imitation)
# - faster, and whether it is better:
#   [1 Is faster always better?](01_why_streaming_matters.ipynb#cell-id=01-on-is-faster-always-better)
# - finish reasons:
#   [2 Anatomy of a stream](02_token_by_token_generation.ipynb#cell-id=02-on-anatomy-of-a-stream),
#   [4 Finished, and still not whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-finished-and-still-not-whole)
# - fit of a latency:
#   [6 Where the time goes](06_full_response_latency.ipynb#cell-id=06-on-where-the-time-goes)
# - goodput and throughput:
#   [6 One user more](06_full_response_latency.ipynb#cell-id=06-on-one-user-more),
#   [6 How to look good](06_full_response_latency.ipynb#cell-id=06-on-how-to-look-good)
# - gRPC, WebTransport, WebRTC, MCP:
#   [3 Others that you will meet](03_transport_mechanisms.ipynb#cell-id=03-on-others-that-you-will-meet)
# - guards, moderation:
#   [4 The leak meter](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-leak-meter)
# - heartbeats:
#   [3 Silence](03_transport_mechanisms.ipynb#cell-id=03-on-silence)
# - HTTP chunks, events, reads:
#   [3 Envelopes](03_transport_mechanisms.ipynb#cell-id=03-on-envelopes)
# - hybrids, both modes in one program:
#   [4 One flag, two shapes](04_streaming_tradeoffs.ipynb#cell-id=04-on-one-flag-two-shapes),
#   [4 Show it, and log it whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-show-it-and-log-it-whole),
#   [7 Two types in one coat](07_use_cases_by_mode.ipynb#cell-id=07-on-two-types-in-one-coat)
# - JSON that is not finished, structured output:
#   [4 The card that fills itself](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-card-that-fills-itself),
#   [7 Orders into a table](07_use_cases_by_mode.ipynb#cell-id=07-on-orders-into-a-table)
# - leaving in the middle, disconnects:
#   [3 Somebody leaves](03_transport_mechanisms.ipynb#cell-id=03-on-somebody-leaves),
#   [4 The meter is running](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-meter-is-running),
#   [4 Show it, and log it whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-show-it-and-log-it-whole),
#   [7 A web chat that keeps its books](07_use_cases_by_mode.ipynb#cell-id=07-on-a-web-chat-that-keeps-its-books),
#   [7 Closed the laptop](07_use_cases_by_mode.ipynb#cell-id=07-on-closed-the-laptop)
# - limit of requests at once:
#   [6 The gather that isn't](06_full_response_latency.ipynb#cell-id=06-on-the-gather-that-isn-t),
#   [7 Forty reviews](07_use_cases_by_mode.ipynb#cell-id=07-on-forty-reviews)
# - limit of tokens (`max_completion_tokens`, once `max_tokens`):
#   [4 Finished, and still not whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-finished-and-still-not-whole)
# - Little's law:
#   [6 Little's law](06_full_response_latency.ipynb#cell-id=06-on-little-s-law)
# - logging the whole answer:
#   [4 Show it, and log it whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-show-it-and-log-it-whole),
#   [7 A web chat that keeps its books](07_use_cases_by_mode.ipynb#cell-id=07-on-a-web-chat-that-keeps-its-books)
# - many calls at once (`gather`):
#   [6 The gather that isn't](06_full_response_latency.ipynb#cell-id=06-on-the-gather-that-isn-t),
#   [7 Forty reviews](07_use_cases_by_mode.ipynb#cell-id=07-on-forty-reviews)
# - many readers of one answer:
#   [3 Others that you will meet](03_transport_mechanisms.ipynb#cell-id=03-on-others-that-you-will-meet),
#   [7 A board for everybody](07_use_cases_by_mode.ipynb#cell-id=07-on-a-board-for-everybody)
# - map of the course:
#   [0 The map](00_start_here.ipynb#cell-id=00-on-the-map)
# - memory:
#   [1 What the server says](01_why_streaming_matters.ipynb#cell-id=01-on-what-the-server-says)
# - names that collide (TTFT, ITL, TPOT):
#   [5 What five tools would print](05_first_token_latency.ipynb#cell-id=05-on-what-five-tools-would-print)
# - notifications, tickers, games:
#   [1 Measure it](01_why_streaming_matters.ipynb#cell-id=01-on-measure-it),
#   [3 Which one, when?](03_transport_mechanisms.ipynb#cell-id=03-on-which-one-when)
# - numbers that are made to look good:
#   [6 How to look good](06_full_response_latency.ipynb#cell-id=06-on-how-to-look-good)
# - one function, two types:
#   [7 Two types in one coat](07_use_cases_by_mode.ipynb#cell-id=07-on-two-types-in-one-coat)
# - parsing server-sent events:
#   [3 Shaken bytes](03_transport_mechanisms.ipynb#cell-id=03-on-shaken-bytes),
#   [3 Reads of other sizes](03_transport_mechanisms.ipynb#cell-id=03-on-reads-of-other-sizes)
# - pauses in an answer:
#   [1 The first token is not everything](01_why_streaming_matters.ipynb#cell-id=01-on-the-first-token-is-not-everything)
# - percentiles, how many samples they need:
#   [5 Two load generators, one frozen server](05_first_token_latency.ipynb#cell-id=05-on-two-load-generators-one-frozen-server),
#   [5 How many is enough?](05_first_token_latency.ipynb#cell-id=05-on-how-many-is-enough)
# - percentiles, which don't add:
#   [6 Percentiles don't add](06_full_response_latency.ipynb#cell-id=06-on-percentiles-don-t-add)
# - pipelines, enrichment of records:
#   [7 Orders into a table](07_use_cases_by_mode.ipynb#cell-id=07-on-orders-into-a-table)
# - prefill and decode:
#   [2 Reading and writing](02_token_by_token_generation.ipynb#cell-id=02-on-reading-and-writing),
#   [5 Queue or prefill?](05_first_token_latency.ipynb#cell-id=05-on-queue-or-prefill)
# - prerequisites:
#   [0 What you should bring](00_start_here.ipynb#cell-id=00-on-what-you-should-bring)
# - privacy, what a listener learns:
#   [4 What TLS shows](04_streaming_tradeoffs.ipynb#cell-id=04-on-what-tls-shows)
# - products: sync, flex, batch, background, realtime:
#   [7 Three decisions](07_use_cases_by_mode.ipynb#cell-id=07-on-three-decisions)
# - programs to take home:
#   [7 To take home](07_use_cases_by_mode.ipynb#cell-id=07-on-to-take-home)
# - prompts, short and long:
#   [5 Queue or prefill?](05_first_token_latency.ipynb#cell-id=05-on-queue-or-prefill),
#   [5 Half a prompt](05_first_token_latency.ipynb#cell-id=05-on-half-a-prompt),
#   [6 Where the time goes](06_full_response_latency.ipynb#cell-id=06-on-where-the-time-goes),
#   [7 A long prompt](07_use_cases_by_mode.ipynb#cell-id=07-on-a-long-prompt)
# - proxies:
#   [3 Who holds it back?](03_transport_mechanisms.ipynb#cell-id=03-on-who-holds-it-back),
#   [3 Silence](03_transport_mechanisms.ipynb#cell-id=03-on-silence)
# - published numbers:
#   [5 The hockey stick](05_first_token_latency.ipynb#cell-id=05-on-the-hockey-stick),
#   [5 What is fast?](05_first_token_latency.ipynb#cell-id=05-on-what-is-fast),
#   [6 The experiment](06_full_response_latency.ipynb#cell-id=06-on-the-experiment)
# - queues, many users:
#   [5 Queue or prefill?](05_first_token_latency.ipynb#cell-id=05-on-queue-or-prefill),
#   [5 The hockey stick](05_first_token_latency.ipynb#cell-id=05-on-the-hockey-stick)
# - readers, their speed and what they gain:
#   [1 The race with a reader](01_why_streaming_matters.ipynb#cell-id=01-on-the-race-with-a-reader),
#   [1 The law of overlap](01_why_streaming_matters.ipynb#cell-id=01-on-the-law-of-overlap)
# - reading and writing, their cost:
#   [6 Where the time goes](06_full_response_latency.ipynb#cell-id=06-on-where-the-time-goes),
#   [6 What the seconds are, and who can change them](06_full_response_latency.ipynb#cell-id=06-on-what-the-seconds-are-and-who-can-change-them)
# - real services:
#   [0 With a real model](00_start_here.ipynb#cell-id=00-on-with-a-real-model),
#   [5 What helps, and what it can't help](05_first_token_latency.ipynb#cell-id=05-on-what-helps-and-what-it-can-t-help)
# - real-time applications:
#   [7 Three decisions](07_use_cases_by_mode.ipynb#cell-id=07-on-three-decisions),
#   [7 A long prompt](07_use_cases_by_mode.ipynb#cell-id=07-on-a-long-prompt),
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - reasoning models:
#   [5 One stream, five clocks](05_first_token_latency.ipynb#cell-id=05-on-one-stream-five-clocks),
#   [5 Thoughts nobody sees](05_first_token_latency.ipynb#cell-id=05-on-thoughts-nobody-sees),
#   [6 Count tokens, not chunks](06_full_response_latency.ipynb#cell-id=06-on-count-tokens-not-chunks)
# - Responses API, Anthropic Messages:
#   [2 Anatomy of a stream](02_token_by_token_generation.ipynb#cell-id=02-on-anatomy-of-a-stream),
#   [3 Three dialects](03_transport_mechanisms.ipynb#cell-id=03-on-three-dialects),
#   [4 Retry, resume, stop](04_streaming_tradeoffs.ipynb#cell-id=04-on-retry-resume-stop)
# - resuming:
#   [3 Two other ways to end the bill](03_transport_mechanisms.ipynb#cell-id=03-on-two-other-ways-to-end-the-bill),
#   [4 Retry, resume, stop](04_streaming_tradeoffs.ipynb#cell-id=04-on-retry-resume-stop),
#   [7 Closed the laptop](07_use_cases_by_mode.ipynb#cell-id=07-on-closed-the-laptop)
# - retrying:
#   [4 Retry, resume, stop](04_streaming_tradeoffs.ipynb#cell-id=04-on-retry-resume-stop)
# - same question, same answer?
#   [2 A hundred answers](02_token_by_token_generation.ipynb#cell-id=02-on-a-hundred-answers)
# - sampling, temperature, seed:
#   [2 One turn of the crank](02_token_by_token_generation.ipynb#cell-id=02-on-one-turn-of-the-crank),
#   [2 A hundred answers](02_token_by_token_generation.ipynb#cell-id=02-on-a-hundred-answers)
# - seats, how many you need:
#   [6 Little's law](06_full_response_latency.ipynb#cell-id=06-on-little-s-law)
# - seconds, and who can change them:
#   [6 What the seconds are, and who can change them](06_full_response_latency.ipynb#cell-id=06-on-what-the-seconds-are-and-who-can-change-them)
# - server-sent events (SSE):
#   [3 Envelopes](03_transport_mechanisms.ipynb#cell-id=03-on-envelopes),
#   [3 Shaken bytes](03_transport_mechanisms.ipynb#cell-id=03-on-shaken-bytes)
# - `stream` as an option of your own service:
#   [4 One flag, two shapes](04_streaming_tradeoffs.ipynb#cell-id=04-on-one-flag-two-shapes)
# - streamed and unary side by side:
#   [0 The two modes at a glance](00_start_here.ipynb#cell-id=00-on-the-two-modes-at-a-glance),
#   [1 One question, two ways to wait](01_why_streaming_matters.ipynb#cell-id=01-on-one-question-two-ways-to-wait),
#   [4 The bill](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-bill)
# - synchronous clients in a server:
#   [3 Write the server's side](03_transport_mechanisms.ipynb#cell-id=03-on-write-the-server-s-side),
#   [6 The server they used](06_full_response_latency.ipynb#cell-id=06-on-the-server-they-used),
#   [7 The café with one waiter](07_use_cases_by_mode.ipynb#cell-id=07-on-the-caf-with-one-waiter)
# - testing streaming code:
#   [7 The café with one waiter](07_use_cases_by_mode.ipynb#cell-id=07-on-the-caf-with-one-waiter),
#   [7 A test that can fail](07_use_cases_by_mode.ipynb#cell-id=07-on-a-test-that-can-fail)
# - time-outs:
#   [3 Silence](03_transport_mechanisms.ipynb#cell-id=03-on-silence),
#   [4 Silence on the line](04_streaming_tradeoffs.ipynb#cell-id=04-on-silence-on-the-line),
#   [6 The time-out that never fired](06_full_response_latency.ipynb#cell-id=06-on-the-time-out-that-never-fired)
# - to read on:
#   [7 To take home](07_use_cases_by_mode.ipynb#cell-id=07-on-to-take-home)
# - tokens and how they are made:
#   [2 One turn of the crank](02_token_by_token_generation.ipynb#cell-id=02-on-one-turn-of-the-crank)
# - tokens per second:
#   [6 Three speeds](06_full_response_latency.ipynb#cell-id=06-on-three-speeds)
# - tool calls:
#   [4 Finished, and still not whole](04_streaming_tradeoffs.ipynb#cell-id=04-on-finished-and-still-not-whole),
#   [4 The card that fills itself](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-card-that-fills-itself)
# - transcription, live:
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - transports, one beside the other:
#   [3 Five transports, one clock](03_transport_mechanisms.ipynb#cell-id=03-on-five-transports-one-clock),
#   [3 Which one, when?](03_transport_mechanisms.ipynb#cell-id=03-on-which-one-when)
# - usage, counting tokens:
#   [2 Chunk, token, character, byte](02_token_by_token_generation.ipynb#cell-id=02-on-chunk-token-character-byte),
#   [2 Anatomy of a stream](02_token_by_token_generation.ipynb#cell-id=02-on-anatomy-of-a-stream),
#   [4 The meter is running](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-meter-is-running),
#   [6 Count tokens, not chunks](06_full_response_latency.ipynb#cell-id=06-on-count-tokens-not-chunks)
# - use cases, ten at a glance:
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - WebSocket:
#   [3 Five transports, one clock](03_transport_mechanisms.ipynb#cell-id=03-on-five-transports-one-clock),
#   [3 Is a WebSocket ever faster?](03_transport_mechanisms.ipynb#cell-id=03-on-is-a-websocket-ever-faster)
# - what streaming does not change:
#   [1 What the server says](01_why_streaming_matters.ipynb#cell-id=01-on-what-the-server-says),
#   [2 A hundred answers](02_token_by_token_generation.ipynb#cell-id=02-on-a-hundred-answers),
#   [4 The bill](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-bill),
#   [6 Nobody waits](06_full_response_latency.ipynb#cell-id=06-on-nobody-waits),
#   [6 What the seconds are, and who can change them](06_full_response_latency.ipynb#cell-id=06-on-what-the-seconds-are-and-who-can-change-them)
# - when not to stream:
#   [4 The bill](04_streaming_tradeoffs.ipynb#cell-id=04-on-the-bill),
#   [6 Nobody waits](06_full_response_latency.ipynb#cell-id=06-on-nobody-waits),
#   [7 A long prompt](07_use_cases_by_mode.ipynb#cell-id=07-on-a-long-prompt),
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - when to stream:
#   [7 Three decisions](07_use_cases_by_mode.ipynb#cell-id=07-on-three-decisions),
#   [7 The cheat sheet](07_use_cases_by_mode.ipynb#cell-id=07-on-the-cheat-sheet)
# - writing down a decision:
#   [7 One page](07_use_cases_by_mode.ipynb#cell-id=07-on-one-page)
