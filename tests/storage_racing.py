"""Writer processes that wait for one another and then commit at once."""

import subprocess


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def race(*rivals: subprocess.Popen[bytes]) -> None:
    """Let all plan over the same state, then let all commit at once."""
    for rival in rivals:
        assert rival.stdout is not None
        rival.stdout.readline()
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write(b"go\n")
        rival.stdin.flush()
    for rival in rivals:
        finish(rival)
