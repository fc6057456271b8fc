"""What a process does that is killed in the middle of its work; such a process imports this, and so it imports little."""

import os
import signal

from kymflow_zarr.disk import steps


def killed_at_its_second_file(work, *arguments):
    """Do some work, of which the second file that is written is half there when the process is killed."""
    write, written = steps.write_file, []

    def write_or_die(path, data, **how):
        written.append(path)
        if len(written) == 2:
            write(path, data[: len(data) // 2], **how)
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, data, **how)

    steps.write_file = write_or_die
    return work(*arguments)
