# %% [markdown]
# # Exercises 3: transport mechanisms
#
# 3.1 and 3.4 are the core (15 and 10 minutes), 3.2 and 3.3 go further (20 minutes each). Write your code where it says so
# and run the check below it. `hint("3.1")` helps in three steps, `reset("3.1")` starts over, `progress()` shows where you
# stand. The checks have a network of their own that splits where it likes, and a clock on which waiting is arithmetic.

# %% id="setup"
from course_utils import check, glossary, hint, progress, reset, solution

# %% [markdown]
# ## 3.1 Read events from shaken bytes (15 minutes, core)
#
# `chunks` gives the body of an answer as the network delivers it: `bytes`, split anywhere, now and then none at all. Write a
# generator that yields a tuple `(type, data, id)` for each server-sent event, as soon as its last byte has come.
#
# - The text is UTF-8. A byte-order mark at its start is dropped; bytes that are no UTF-8 become U+FFFD.
# - A line ends with LF, CR or CRLF. An empty line ends the event.
# - Other lines are fields: a name, a colon, a value. One space behind the first colon is dropped. Without a colon the whole
#   line is the name, and the value is empty.
# - `data`: the values of all data lines make the data, with `"\n"` between. `event`: the type; if there is none, or an empty
#   one, it is `"message"`. `id`: the last id of the stream, `""` at first; it stays until another one comes, also from block to
#   block. A value with NUL (`"\0"`) is no id.
# - Lines that begin with a colon are comments. They and all other fields are ignored.
# - An event without a data line is not yielded, though its id counts. One whose empty line never came is not yielded either.

# %% exercise="3.1"
import codecs

def parse_sse(chunks):
    """Yield (type, data, id) for each event.

    For the chunks b"id: 7\\ndata: one\\nda", b"ta: two\\n\\n: ping\\n\\nevent: end\\nda" and b"ta:\\n\\n"
    the events are ("message", "one\\ntwo", "7") and ("end", "", "7").
    """
    # solution
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    line, after_cr, type, data, id = "", False, "", [], ""
    for chunk in chunks:
        for char in decoder.decode(chunk):
            if char not in "\r\n":
                line += char
            elif line:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "data":
                    data.append(value)
                elif name == "event":
                    type = value
                elif name == "id" and "\0" not in value:
                    id = value
                line = ""
            elif not (after_cr and char == "\n"):
                if data:
                    yield type or "message", "\n".join(data), id
                type, data = "", []
            after_cr = char == "\r"

# %% check="3.1"
check("3.1", parse_sse)

# %% [markdown]
# ## 3.2 Write the server's side (20 minutes, further)
#
# An endpoint gets four things from its framework: `tokens`, an asynchronous generator of texts; `start(headers)`, which sends
# the status 200 and a dict of headers; `await write(data)`, which sends bytes; and `beat`, a number of seconds.
#
# - The headers leave first. They say that this is an event stream (`text/event-stream`), that nobody may cache it (`no-cache`),
#   and that a proxy such as nginx must not buffer it (`x-accel-buffering: no`).
# - Each token is an event of its own that leaves when the token comes. Its data is the JSON text of `{"token": "..."}`, its id
#   the number of the token, from 1 on. It names no type.
# - Whenever nothing has been written for `beat` seconds, a comment leaves. It keeps proxies from cutting a line on which nothing
#   moves. The headers count as written at the start.
# - Behind the last token comes an event of the type `done`. Its data is the JSON text of `{"tokens": 3}`, if there were three.
# - If `tokens` raises an error, there comes an event of the type `error` instead, with the JSON text of
#   `{"error": "the answer broke off"}`. What the exception says is for your log. Your function ends without an error.
# - When the client leaves, your function is cancelled. Nothing is written any more, and nothing goes on asking for tokens.

# %% exercise="3.2"
import asyncio
import json

async def sse_endpoint(tokens, start, write, beat):
    r"""Send the tokens as server-sent events.

    For the tokens "Hel" and "lo" the bytes are b'id: 1\ndata: {"token": "Hel"}\n\n',
    b'id: 2\ndata: {"token": "lo"}\n\n' and b'event: done\ndata: {"tokens": 2}\n\n'.
    """
    # solution
    start({"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"})
    count, coming = 0, asyncio.ensure_future(anext(tokens))
    try:
        while True:
            came, _ = await asyncio.wait([coming], timeout=beat)
            if not came:
                await write(b": still here\n\n")
                continue
            data = json.dumps({"token": coming.result()})
            count += 1
            await write(f"id: {count}\ndata: {data}\n\n".encode())
            coming = asyncio.ensure_future(anext(tokens))
    except StopAsyncIteration:
        data = json.dumps({"tokens": count})
        await write(f"event: done\ndata: {data}\n\n".encode())
    except Exception:
        await write(b'event: error\ndata: {"error": "the answer broke off"}\n\n')
    finally:
        coming.cancel()

# %% check="3.2"
check("3.2", sse_endpoint)

# %% [markdown]
# ## 3.3 Come back for the rest (20 minutes, further)
#
# The server keeps its answer, so whose connection breaks can come back. `connect("")` asks the question: an answer is generated,
# and billed. `connect(id)` goes on behind the event with that id, and costs nothing. Both return an iterator of `bytes`. A connection
# can break in three ways: `connect` raises `ConnectionError`, or the iterator does, or it just ends. Write a generator that yields
# the texts of the tokens, each once, in order, and as soon as its event is whole.
#
# - The data of a token's event is the JSON text of `{"token": "..."}`. The event of the type `done` is the end, and the only one:
#   return there, without reading on.
# - Before you connect again, call `sleep(seconds)`: 1 s, or what the last `retry` of the server said, in milliseconds. It names
#   it once, and it holds for all connections from then on.
# - If `tries` connections in a row have brought no token, raise `ConnectionError`, without another wait. Any other error goes
#   through at once.
#
# `sse.Decoder` is the course's own parser: `feed(chunk)` gives the events that are complete, each with `data`, `type` and `id`;
# its `retry` is what the server said on this connection, or `None`. `sse.Decoder??` shows it.

# %% exercise="3.3"
import json

from course_utils import sse

def resume(connect, sleep, tries):
    """Yield the texts of the tokens, whatever the network does.

    If connect("") brings token 1 (with the id "a.0" and a retry of 500) and breaks in the middle of token 2,
    then sleep(0.5), connect("a.0").
    """
    # solution
    last_id, wait, useless = "", 1.0, 0
    while True:
        decoder, before = sse.Decoder(), last_id
        try:
            for chunk in connect(last_id):
                for event in decoder.feed(chunk):
                    if event.type == "done":
                        return
                    yield json.loads(event.data)["token"]
                    last_id = event.id
        except ConnectionError:
            pass
        if decoder.retry is not None:
            wait = decoder.retry / 1000
        useless = useless + 1 if last_id == before else 0
        if useless == tries:
            raise ConnectionError(f"{tries} connections in a row brought nothing")
        sleep(wait)

# %% check="3.3"
check("3.3", resume)

# %% [markdown]
# ## 3.4 Why is it one piece? (10 minutes, core)
#
# Three deployments of the same endpoint, and three complaints: "The text comes all at once", "Here, too", "It breaks off". Between
# the model and its reader stand the application, the compressor of its framework, and a proxy. This is when the text could be read
# behind each of them:

# %% id="first"
from course_utils.deployments import EXAMPLES, plot_stations

first, second, third = EXAMPLES
plot_stations(first([]), "The first deployment")

# %% id="second"
plot_stations(second([]), "The second")

# %% id="third"
plot_stations(third([]), "The third, in which the model waits for a tool")

# %% [markdown]
# Changing a deployment takes time, and each change has a price. These can be made:
#
# | change | what it does |
# |---|---|
# | `"yield_at_once"` | the application writes each token when it has it, and collects nothing |
# | `"no_compression"` | the framework does not compress this answer |
# | `"no_buffering"` | the answer says `X-Accel-Buffering: no`, so the proxy passes on what it gets |
# | `"heartbeat"` | the application writes a comment after each 15 s of silence |
# | `"longer_timeout"` | the proxy waits 600 s, not 60 s, for the next byte before it cuts the line |
# | `"shorter_pieces"` | the application writes half tokens, twice as many |
# | `"sleep"` | the application sleeps for 0.05 s behind each token |
#
# Write a function that finds the least changes for any such deployment, so that the first text reaches the reader at most 1 s
# after the model has made it, and the line is not cut. `deploy(changes)` makes the changes of a list, asks once, and returns a dict:
# under `"model"`, `"application"`, `"compressor"` and `"proxy"` the seconds at which each token could be read there (none, if the
# line was cut before), and under
# `"ended"` either `"complete"` or `"cut"`. Return the list of changes, `[]` if none is needed. You may deploy six times for
# each deployment, so look before you change. Try it with `first(["sleep"])`.

# %% exercise="3.4"
def repair(deploy):
    """Return the least list of changes.

    If only the compressor holds the text, deploy([]) shows it in time behind the application and late behind the
    compressor, and the answer is ["no_compression"].
    """
    # solution
    changes = []
    while True:
        seen = deploy(changes)
        latest = seen["model"][0] + 1
        late = [name for name in ("application", "compressor", "proxy") if not seen[name] or seen[name][0] > latest]
        if "application" in late:
            changes.append("yield_at_once")
        elif "compressor" in late:
            changes.append("no_compression")
        elif seen["ended"] == "cut":
            changes.append("heartbeat")
        elif late:
            changes.append("no_buffering")
        else:
            return changes

# %% check="3.4"
check("3.4", repair)

# %% [markdown]
# ## Where you stand

# %% id="progress"
progress(3)
