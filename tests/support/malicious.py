"""Something that runs a command when it is unpickled without restrictions."""

import os
import shlex


class Touch:
    """Makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.system, (f"touch {shlex.quote(str(self.marker))}",))
