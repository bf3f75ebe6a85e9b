"""Lines to the mock's own server, in virtual time. What it writes is held against what it writes on a real port."""

import re
import socket

import pytest

from course_utils.carriers import overhear
from course_utils.clock import RealClock
from course_utils.line import Network
from course_utils.mock import MockServer
from course_utils.pace import Pace

GET = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
TEXT = b'POST /v1/text HTTP/1.1\r\nhost: x\r\ncontent-length: 18\r\n\r\n{"prompt":"hello"}'


def answered(network, request):
    """When a new line's first read has come, and its bytes."""

    async def ask():
        line = await network.connect()
        line.send(request)
        return await line.read()

    return network.run(ask())


@pytest.mark.parametrize(("tls", "seconds"), [(False, 1.0), (True, 1.5)])
def test_an_answer_takes_the_handshakes_and_a_round_trip(tls, seconds):
    network = Network(rtt=0.5, tls=tls)
    assert answered(network, GET).at == seconds
    assert network.lines == 1


def test_bytes_are_counted_in_both_directions():
    network = Network()
    read = answered(network, GET)
    assert (network.up, network.down) == (len(GET), len(read.data))


def test_what_comes_is_what_a_socket_gets_byte_for_byte():
    pace, asked = Pace(headers=0, ttft=0, itl=0), {"prompt": "hello"}
    over_line = b"".join(read.data for read in overhear("/v1/text", asked, pace=pace))
    with (
        MockServer(pace=pace, clock=RealClock()).serve() as server,
        socket.create_connection((server.host, server.port)) as client,
    ):
        client.sendall(TEXT.replace(b"host: x\r\n", b"host: x\r\nconnection: close\r\n"))
        over_socket = b"".join(iter(lambda: client.recv(4096), b""))
    assert over_line == over_socket


def test_who_hangs_up_is_booked_as_having_left_half_a_round_trip_later():
    network = Network(rtt=0.5, tls=False, pace=Pace(headers=0, ttft=1, itl=1))

    async def leave_after_the_first_token():
        line = await network.connect()  # until 0.5
        line.send(TEXT)  # arrives at 0.75
        while b"Hello" not in (await line.read()).data:  # made at 1.75, here at 2
            pass
        line.hang_up()  # known at 2.25
        await network.clock.asleep(10)

    network.run(leave_after_the_first_token())
    entry = network.mock.ledger[0]
    assert (entry.ended, entry.tokens_generated, entry.ended_at) == ("client_left", 1, 2.25)


def test_the_server_closes_the_line_when_it_was_asked_to():
    reads = overhear("/v1/text", {"prompt": "hello"})
    assert reads[-1].data.endswith(b"0\r\n\r\n")
    assert re.match(rb"HTTP/1.1 200 OK\r\n", reads[0].data)


def test_a_round_trip_into_the_past_is_refused():
    with pytest.raises(ValueError, match="rtt=-1"):
        Network(rtt=-1)
