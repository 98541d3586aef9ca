"""`crossdiff`: one command per task. A bad argument gets one sentence, never a traceback."""

import json
import os
import sys
from collections.abc import Callable
from typing import NoReturn

import tyro

from flows.commands import (
    benchmark,
    checkpoint,
    classes,
    dashboard,
    decide,
    evaluate,
    evaluate_ablation,
    evaluate_lift,
    evaluate_wild,
    evaluator,
    export,
    finetune,
    generate,
    ingest,
    plan,
    prepare,
    relabel,
    store,
    train,
)
from flows.commands.outcome import Outcome
from flows.plain_errors import plain_errors, sentence
from flows.prefect_settings import prepare_environment
from flows.quiet_exit import silence_interpreter_exit

Command = Callable[..., Outcome]
COMMANDS: dict[str, Command] = {
    "ingest": ingest.ingest,
    "plan": plan.plan,
    "classes": classes.classes,
    "relabel": relabel.relabel,
    "decide": decide.decide,
    "dashboard": dashboard.dashboard,
    "ls": store.ls,
    "show": store.show,
    "report": store.report,
    "export": export.export,
    "compact": store.compact,
    "train": train.train,
    "finetune": finetune.finetune,
    "gate": finetune.gate,
    "generate": generate.generate,
    "evaluate": evaluate.evaluate,
}
GROUPS: dict[str, tuple[str, dict[str, Command]]] = {
    "prepare": (
        "Turn motion capture into training motions in a store.",
        {
            "mocap": prepare.mocap,
            "humanml3d": prepare.humanml3d,
            "kitml": prepare.kitml,
            "bvh": prepare.bvh,
            "snapshot": prepare.snapshot,
        },
    ),
    "checkpoint": (
        "Bring published weights in, take ours out in their layout, choose the one to use.",
        {
            "import": checkpoint.import_official,
            "export": checkpoint.export_official,
            "promote": checkpoint.promote,
        },
    ),
    "evaluator": (
        "Train or import the matching networks that scores are computed with.",
        {"train": evaluator.train, "import": evaluator.import_published},
    ),
    "evaluate": (
        "Measure checkpoints: text to motion, the lift, real video; train and score ablations.",
        {
            "ablation": evaluate_ablation.ablation,
            "lift": evaluate_lift.lift,
            "wild": evaluate_wild.wild,
        },
    ),
    "benchmark": (
        "From pixels to metres on rendered clips with known 3D.",
        {"synthetic": benchmark.synthetic, "render": benchmark.render},
    ),
}
"""Commands of two words, e.g. `crossdiff prepare mocap`, with a line on each first word.

A first word can be a command of its own too: `crossdiff evaluate --checkpoint ...`."""
DESCRIPTION = "From in-the-wild video to pseudo-3D human motion with CrossDiff."
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STOPPED = 130
QUIET = {"TOKENIZERS_PARALLELISM": "false", "RUST_LOG": "error"}
"""Libraries' own remarks on what is going to be told, or is nobody's concern: forked tokenizers,
and the object store's attempts at finding credentials. What the user has set stays."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: As on the command line; None takes the process's own.

    Returns:
        Exit status: 0, 1 when something was not done, 2 for a wrong argument, 130 when stopped.
    """
    prepare_environment()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    try:
        outcome = _run(given)
    except KeyboardInterrupt:
        return _fail(f"stopped; {_how_to_go_on(given)} to continue", EXIT_STOPPED, as_json)
    except SystemExit as error:
        if error.code and as_json:  # tyro has said on stderr what is wrong
            print(json.dumps({"error": "wrong arguments: see standard error"}))
        raise
    except BrokenPipeError:
        _close_output()  # the reader of --help has had enough
        return 0
    except Exception as error:
        if not isinstance(error, plain_errors()):
            raise
        return _fail(sentence(error), EXIT_USAGE, as_json)
    if not outcome.told:
        _print(outcome, as_json)
    return EXIT_FAILED if outcome.failed else 0


def _how_to_go_on(given: list[str]) -> str:
    trains = given[:1] == ["train"] or given[:2] == ["evaluator", "train"]
    resumes = trains and "--resume" not in given
    return "add --resume to the same command" if resumes else "run the same command again"


def _run(given: list[str]) -> Outcome:
    """Parse the arguments and run the command; one of two words is parsed by its group."""
    if given and given[0] in GROUPS:
        about, group = GROUPS[given[0]]
        if given[0] not in COMMANDS or (given[1:2] and given[1] in group):
            return _parse(group, f"crossdiff {given[0]}", about, given[1:])
    listed = {name: _group_entry(name, about) for name, (about, _) in GROUPS.items()}
    return _parse({**listed, **COMMANDS}, "crossdiff", DESCRIPTION, given)


def _parse(commands: dict[str, Command], prog: str, about: str, given: list[str]) -> Outcome:
    outcome: Outcome = tyro.extras.subcommand_cli_from_dict(
        commands, prog=prog, description=about, args=given
    )
    return outcome


def _group_entry(name: str, about: str) -> Command:
    """What `crossdiff --help` lists for a group; calling it is left to `_run`."""

    def group() -> Outcome:
        raise ValueError(f"see crossdiff {name} --help")

    group.__doc__ = about
    return group


def _fail(message: str, status: int, as_json: bool) -> int:
    print(f"crossdiff: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message}))
    return status


def _print(outcome: Outcome, as_json: bool) -> None:
    text = "\n".join(outcome.lines)
    if as_json:
        text = json.dumps(outcome.data, allow_nan=False, default=str)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _close_output()  # `head`, say, has had enough


def _close_output() -> None:
    """Nor can the interpreter's last flush reach a reader that has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry_point() -> NoReturn:
    """For the installed script: `main` as a process of its own."""
    silence_interpreter_exit()
    sys.exit(main())


if __name__ == "__main__":
    entry_point()
