"""Whether an error means that memory or disk ran out, told by its class, number or text and without torch.

Frameworks wrap the system's error: torch into a `RuntimeError`, safetensors into text, plugins into errors of their
own. The texts below are those that they were seen to raise under an address-space or a file-size limit.
"""

from __future__ import annotations

import errno
import re
from typing import Literal

Exhaustion = Literal["oom", "disk_full"]

_MEMORY_TEXTS = (
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory",
    "out of memory",
    "Insufficient memory",
)
_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_DISK_TEXTS = ("No space left on device", "File too large", "Disk quota exceeded")
_CUT_ARCHIVE = "unexpected pos"  # torch.save: the archive is shorter than what was written to it
_CUT_ARRAY = re.compile(r"\d+ requested and \d+ written")  # numpy


def exhausted(error: BaseException) -> Exhaustion | None:
    """Returns what ran out, `None` if the error and what it was raised from say nothing of the kind."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if _is_out_of_memory(cause):
            return "oom"
        if _is_disk_full(cause):
            return "disk_full"
        seen.add(id(cause))
        cause = cause.__cause__
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    from_library = isinstance(error, RuntimeError) or type(error).__module__.partition(".")[0] == "cv2"
    return from_library and any(text in str(error) for text in _MEMORY_TEXTS)


def _is_disk_full(error: BaseException) -> bool:
    text = str(error)
    if isinstance(error, OSError):
        told = any(known in text for known in _DISK_TEXTS) or _CUT_ARRAY.match(text) is not None
        return error.errno in _DISK_ERRORS or (error.errno is None and told)
    if isinstance(error, RuntimeError) and _CUT_ARCHIVE in text:
        return True
    wrapped = isinstance(error, RuntimeError) or type(error).__name__ == "SafetensorError"
    return wrapped and any(known in text for known in _DISK_TEXTS)
