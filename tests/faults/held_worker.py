"""Workers that stop at one place of a job and report it, to be killed there.

Each order on standard input, a line of JSON, forks one worker: the imports, which take longer than most jobs of these
tests, happen once. Everything else is `riyl worker`. It reports on standard output, a line each: the process's id,
"held" when it has reached its place, and its exit code when it has ended. SIGCONT lets it continue.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from dbos import DBOS

import riyl.app.jobs.flows
import riyl.app.jobs.worker
import riyl.training.contrastive.export
import riyl.training.contrastive.loop
from riyl.app.http.logging import configure
from riyl.core.settings import load_settings

MIDDLE = {
    "freeze": ("os.rename", ""),
    "fit": ("os.rename", ""),
    "train": ("os.rename", ""),
    "model": ("open", "card.json"),
    "featurize": ("os.rename", ""),
    "embed": ("os.rename", ""),
    "build": ("os.rename", ""),
    "reindex": ("none: it is held between this step and the next", ""),
    "check": ("open", "neighbours.npy"),
    "promote": ("os.rename", "CURRENT"),
    "prune": ("shutil.rmtree", ".pruned"),
}
"""By step, the interpreter's next operation (its audit event) when it is held, and the end of that operation's path.

A rename publishes written files: promote has stored its row by then, prune has hidden one of several.
"""

CHILDS_MIDDLE = {**MIDDLE, "freeze": ("open", "artists.parquet"), "featurize": ("open", "artists.parquet")}
"""The same for the re-index after a training: the results of these two steps exist, and they only read the tables."""


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run(**order)
        say(pid)
        _, status = os.waitpid(pid, 0)
        say(os.waitstatus_to_exitcode(status))


def run(
    environment: dict[str, str],
    log: str,
    step: str | None = None,
    when: str = "before",
    child: bool = False,
    attempts: int | None = None,
) -> None:
    """Run as a worker.

    Args:
        environment: environment variables of the worker.
        log: file of its output.
        step: step at which it is held; None for none.
        when: "before" the step, in its "middle", or "after" it, when DBOS has no result of it yet.
        child: hold it in the re-index that a training submits, rather than in a job that a client submitted.
        attempts: maximum attempts of a failing step.
    """
    os.environ.update(environment)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), sys.stderr.fileno())
    configure("INFO")
    if attempts is not None:
        riyl.app.jobs.flows.ATTEMPTS = attempts
    if step is not None:
        hold_at(step, when, child, _hold())
    try:
        riyl.app.jobs.worker.work(load_settings())
    except BaseException as error:
        print("ended by", repr(error), file=sys.stderr)  # noqa: T201
    finally:
        os._exit(1)


def hold_at(step: str, when: str, child: bool, hold: Callable[[], None]) -> None:
    """Wrap the function by which DBOS runs steps."""
    inside: list[int] = []
    run_step, enqueue_workflow = DBOS.run_step, DBOS.enqueue_workflow

    def held_run_step(options: Any, act: Callable[[], Any]) -> Any:
        here = options["name"] == step and ("-" in str(DBOS.workflow_id)) == child

        def held_act() -> Any:
            if here and when == "before":
                hold()
            if here and when == "middle":
                inside.append(threading.get_ident())
            result = act()
            inside.clear()
            if here and when == "after":
                hold()
            return result

        return run_step(options, held_act)

    def held_enqueue_workflow(*arguments: Any) -> Any:
        # the previous step does nothing
        if (step, when) == ("reindex", "middle"):
            hold()
        return enqueue_workflow(*arguments)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if threading.get_ident() not in inside:
            return
        what, end = (CHILDS_MIDDLE if child else MIDDLE)[step]
        if event == what and _path(event, arguments).endswith(end):
            inside.clear()
            hold()

    DBOS.run_step = held_run_step  # type: ignore[method-assign, assignment]
    DBOS.enqueue_workflow = held_enqueue_workflow  # type: ignore[method-assign, assignment]
    sys.addaudithook(audit)


def say(what: object) -> None:
    os.write(sys.stdout.fileno(), f"{what}\n".encode())


def _hold() -> Callable[[], None]:
    go = threading.Event()
    signal.signal(signal.SIGCONT, lambda *_: go.set())

    def hold() -> None:
        say("held")
        go.wait()

    return hold


def _path(event: str, arguments: tuple[Any, ...]) -> str:
    path = arguments[1] if event == "os.rename" else arguments[0]
    return "" if isinstance(path, int) else os.fsdecode(path)  # an opened descriptor has a number alone


if __name__ == "__main__":
    main()
