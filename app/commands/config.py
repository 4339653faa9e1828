"""Commands `riyl config list` and `riyl config show`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from riyl.app.commands.session import session
from riyl.app.commands.streams import expanded
from riyl.app.commands.train import Overrides
from riyl.training.config import SINGLE, resolve_config
from riyl.training.config_files import config_names, summary_of
from riyl.training.config_settings import config_toml, settings_of

app = typer.Typer(
    no_args_is_help=True, help="Training configs: the method of a model and its settings, for riyl train."
)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the configs that come with RIYL.

    Besides these there is single-MODALITY, the vectors of one modality, for any modality; and any TOML file.
    """
    run = session(context)
    listed = []
    for name in config_names():
        resolved = resolve_config(name)
        bases = [layer.source for layer in resolved.layers[1:]]
        listed.append({"name": name, "method": resolved.config.method, "bases": bases, "summary": summary_of(name)})
    run.show(listed)
    rows = [[str(c["name"]), str(c["method"]), ", ".join(c["bases"]), str(c["summary"])] for c in listed]
    run.table("configs", ["name", "method", "based on", "summary"], rows, words=True)
    run.say(f"{SINGLE}MODALITY is the vectors of one modality, for any modality. Show one: riyl config show NAME")


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Config by name, or a TOML file.")],
    overrides: Overrides = None,
) -> None:
    """Show every setting of a config: value, meaning, and the source that sets it.

    The output is a TOML file that can be saved, changed and given to riyl train --config. A source is the config, one
    of its bases, or --set; other settings have the default of the method.
    """
    run = session(context)
    resolved = resolve_config(expanded(name), overrides or ())
    run.show(
        {
            "name": resolved.name,
            "sources": [layer.source for layer in resolved.layers],
            "settings": [setting.as_dict() for setting in settings_of(resolved)],
            "config": resolved.config.model_dump(mode="json"),
        }
    )
    if not run.json:
        # not through the console, which would wrap the lines of the file at the width of the terminal
        sys.stdout.write(config_toml(resolved))
