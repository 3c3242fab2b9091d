"""Logging never waits for who reads the log."""

from __future__ import annotations

import io
import os
import threading

from mnemon_service.server.log_lines import LogLines

SECONDS = 10.0


class Gate(io.StringIO):
    """A stream that takes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.waited_for = threading.Event()

    def write(self, text: str) -> int:
        self.waited_for.set()
        assert self.opened.wait(SECONDS)
        return super().write(text)


def test_lines_arrive_whole_and_in_order() -> None:
    stream = io.StringIO()
    lines = LogLines(stream)
    written = [f"line {number}\n" for number in range(1000)]
    for line in written:
        lines.write(line)
    assert lines.drain(SECONDS)
    assert stream.getvalue() == "".join(written)


def test_lines_of_several_threads_are_not_torn() -> None:
    stream = io.StringIO()
    lines = LogLines(stream)
    threads = [
        threading.Thread(target=lambda name=name: [lines.write(name * 50 + "\n") for _ in range(200)])
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines.drain(SECONDS)
    assert sorted(stream.getvalue().splitlines()) == sorted(name * 50 for name in "abcd" for _ in range(200))


def test_a_pipe_that_nobody_reads_holds_up_nobody() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as pipe:
        lines = LogLines(stream, maximum=100)
        for number in range(3_000):  # far more than a pipe holds
            lines.write(f"{number:>200}\n")
        assert not lines.drain(0.0)
        taken = iter(pipe.readline, "")
        last = next(line for line in taken if line.strip() == "2999")
        assert last
        assert lines.drain(SECONDS)


def test_what_was_dropped_is_said_before_the_next_line() -> None:
    stream = Gate()
    lines = LogLines(stream, maximum=2)
    lines.write("first\n")
    assert stream.waited_for.wait(SECONDS)
    for number in range(5):
        lines.write(f"line {number}\n")
    stream.opened.set()
    assert lines.drain(SECONDS)
    assert stream.getvalue().splitlines() == [
        "first",
        "3 log lines were dropped: nobody read them",
        "line 3",
        "line 4",
    ]


def test_a_reader_that_has_gone_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    lines = LogLines(stream)
    lines.write("to nobody\n")
    assert lines.drain(SECONDS)
    lines.write("and again\n")
    assert lines.drain(SECONDS)
