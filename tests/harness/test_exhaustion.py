"""Memory and disk that ran out are told from what only sounds like it, in every wrapping that frameworks use."""

import errno

import pytest

from harness.exhaustion import exhausted


def named(name, text, module="anywhere"):
    return type(name, (Exception,), {"__module__": module})(text)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you ..."
        ),
        RuntimeError("unable to mmap 167773652 bytes from file </x.pt>: Cannot allocate memory (12)"),
        RuntimeError("CUDA error: out of memory"),
        named("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB."),
        named("error", "OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes", "cv2"),
    ],
)
def test_memory(error):
    assert exhausted(error) == "oom"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EFBIG, "x"),
        OSError(errno.EDQUOT, "x"),
        OSError("2097152 requested and 262112 written"),
        OSError("Caught OSError in DataLoader worker process 0.\n... OSError: [Errno 28] No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
        named("SafetensorError", "Error while serializing: I/O error: File too large (os error 27)"),
    ],
)
def test_disk(error):
    assert exhausted(error) == "disk_full"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("No space left on device, out of memory"),
        OSError(errno.EACCES, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:180] . PytorchStreamReader failed reading zip archive"),
        named("error", "Insufficient memory", "cv3"),
        OSError("12 requested"),
    ],
)
def test_neither(error):
    assert exhausted(error) is None


def test_what_an_error_was_raised_from_counts_and_what_it_was_raised_beside_does_not():
    outer, inner = ValueError("x"), RuntimeError("y")
    outer.__cause__, inner.__cause__ = inner, MemoryError()
    assert exhausted(outer) == "oom"
    inner.__cause__ = outer
    assert exhausted(outer) is None, "a chain that bites its tail"
    beside = ValueError("x")
    beside.__context__ = MemoryError()
    assert exhausted(beside) is None
