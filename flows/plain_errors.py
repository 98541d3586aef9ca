"""What goes wrong for a reason that a user can act on, told in one sentence."""


def plain_errors() -> tuple[type[Exception], ...]:
    """What is told in one sentence; anything else is a bug and keeps its traceback."""
    # Here and not above: only who has something to tell needs them.
    from models.checkpoint_id import CheckpointError  # noqa: PLC0415
    from pipeline.pose.protocol import PoseSetupError  # noqa: PLC0415
    from pipeline.reasons import PipelineError  # noqa: PLC0415
    from storage.errors import StoreError  # noqa: PLC0415

    return (ValueError, OSError, CheckpointError, PoseSetupError, PipelineError, StoreError)


def sentence(error: BaseException) -> str:
    """What went wrong, on one line; the system's own errors without their number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
