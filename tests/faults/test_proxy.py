"""The fault proxy does what it is told: each fault is seen from the other side."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.proxy_ways import Cut, Way

SOON, LATE = 0.05, 0.2


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Listens; a test plays the server's part by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def proxy(server: socket.socket) -> Iterator[FaultProxy]:
    with FaultProxy(server.getsockname()[1]) as proxy:
        yield proxy


@pytest.fixture
def ends(proxy: FaultProxy, server: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: the client's end and the server's."""
    with closing(socket.create_connection(("127.0.0.1", proxy.port))) as client:
        there, _ = server.accept()
        for end in (client, there):
            end.settimeout(5)
        with closing(there):
            yield client, there


def test_what_is_not_harmed_passes_both_ways(ends: tuple[socket.socket, socket.socket]) -> None:
    client, there = ends

    client.sendall(b"question")
    assert there.recv(100) == b"question"
    there.sendall(b"answer")
    assert client.recv(100) == b"answer"


def test_latency_holds_what_passes(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(down=Way(latency=LATE))

    began = time.monotonic()
    there.sendall(b"answer")

    assert client.recv(100) == b"answer"
    assert time.monotonic() - began >= LATE


def test_bandwidth_holds_what_is_big_longer(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(up=Way(bandwidth=50_000))

    began = time.monotonic()
    client.sendall(b"x" * 10_000)

    assert received(there, 10_000) == b"x" * 10_000
    assert time.monotonic() - began >= 0.2


def test_a_stall_keeps_what_comes_and_lets_it_go_when_it_is_lifted(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(up=Way(stalled=True))

    client.sendall(b"question")
    there.settimeout(SOON)
    with pytest.raises(TimeoutError):
        there.recv(100)
    there.settimeout(5)
    proxy.heal()

    assert there.recv(100) == b"question"


def test_what_is_swallowed_never_comes(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(up=Way(swallowing=True))

    client.sendall(b"lost")
    there.settimeout(SOON)
    with pytest.raises(TimeoutError):
        there.recv(100)
    there.settimeout(5)
    proxy.heal()
    client.sendall(b"found")

    assert there.recv(100) == b"found"


def test_slices_are_single_bytes(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(up=Way(slices=1, latency=SOON))

    client.sendall(b"ab")

    assert there.recv(100) == b"a"
    assert there.recv(100) == b"b"


def test_a_cut_after_bytes_lets_so_many_pass(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(up=Way(cut=Cut(at=3, reset=False)))

    client.sendall(b"abcdef")

    assert there.recv(100) == b"abc"
    assert there.recv(100) == b""
    assert proxy.cuts == 1


@pytest.mark.parametrize("passing", [True, False])
def test_a_cut_at_a_pattern_finds_it_across_pieces(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket], *, passing: bool
) -> None:
    client, there = ends
    proxy.harm(up=Way(cut=Cut(at=b"COMMIT", passing=passing, reset=False)))

    client.sendall(b"...COM")
    assert there.recv(100) == b"...COM"
    client.sendall(b"MIT;")

    assert there.recv(100) == (b"MIT;" if passing else b"")
    assert client.recv(100) == b""


def test_a_cut_of_the_answer_lets_the_question_be_acted_upon(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(up=Way(cut=Cut(at=b"COMMIT", answered=True, reset=False)))

    client.sendall(b"COMMIT")
    assert there.recv(100) == b"COMMIT"
    there.sendall(b"done")

    assert client.recv(100) == b""
    assert proxy.cuts == 1


def test_a_cut_by_reset_is_a_reset(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(down=Way(cut=Cut(at=b"\r\n.\r\n", passing=False)))

    there.sendall(b"\r\n.\r\n")

    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_connections_after_the_last_cut_live(
    proxy: FaultProxy, server: socket.socket, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, _ = ends
    proxy.harm(up=Way(cut=Cut(at=1)))
    client.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(100)

    with closing(socket.create_connection(("127.0.0.1", proxy.port))) as again:
        there, _ = server.accept()
        again.sendall(b"hello")
        with closing(there):
            assert there.recv(100) == b"hello"


def test_a_slow_end_is_passed_on_late(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    proxy.harm(down=Way(closing=LATE))

    began = time.monotonic()
    there.close()

    assert client.recv(100) == b""
    assert time.monotonic() - began >= LATE


def test_reset_ends_every_connection(
    proxy: FaultProxy, ends: tuple[socket.socket, socket.socket]
) -> None:
    client, there = ends
    client.sendall(b"x")
    assert there.recv(1) == b"x"

    proxy.reset()

    for end in (client, there):
        with pytest.raises(ConnectionResetError):
            end.recv(100)


def test_who_comes_while_it_refuses_is_reset(proxy: FaultProxy) -> None:
    proxy.harm(refusing=True)

    with (
        closing(socket.create_connection(("127.0.0.1", proxy.port))) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.recv(100)


def test_it_ends_with_all_its_connections(server: socket.socket) -> None:
    with FaultProxy(server.getsockname()[1]) as proxy:
        client = socket.create_connection(("127.0.0.1", proxy.port))
        there, _ = server.accept()

    with closing(client), closing(there):
        assert client.recv(1) == b""
    assert not [each for each in threading.enumerate() if each.name == "fault-proxy"]


def received(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := end.recv(65_536)):
        data += piece
    return data
