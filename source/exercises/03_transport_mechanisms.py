# %% [markdown]
# # Exercises 3: transport mechanisms
#
# 3.1 and 3.4 are the core (15 and 10 minutes), 3.2 and 3.3 go further (20 minutes each). Write your code where it says so
# and run the check below it. `hint("3.1")` helps in three steps, `reset("3.1")` starts over, `progress()` shows where you
# stand. The checks have a network of their own that cuts where it likes, and a clock on which waiting is arithmetic.

# %% id="setup"
from course_utils import check, hint, progress, reset, solution

# %% [markdown]
# ## 3.1 Read events from shaken bytes (15 minutes, core)
#
# `chunks` gives the body of an answer as the network delivers it: `bytes`, cut anywhere, now and then none at all. Write a
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
# ## Where you stand

# %% id="progress"
progress(3)
