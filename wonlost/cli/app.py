"""The `wonlost` command."""

from __future__ import annotations

import os
import sys

import typer

from crm.errors import CrmError
from features.errors import FeatureError
from insights.errors import InsightError
from models.errors import ModelError
from wonlost.cli.console import UsageError, err

# A waiting OpenMP thread that spins takes the core that the working one needs; read when LightGBM is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

app = typer.Typer(
    name="wonlost", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Learns from closed sales opportunities: calibrated win probabilities with reasons, and no peeking.",
)  # fmt: skip


def _add_commands() -> None:
    from wonlost.cli import (
        audit,
        data,
        forecast,
        postmortem,
        reasons,
        reengage,
        registry,
        review,
        reviews,
        scoring,
        taxonomy,
        training,
    )

    for module in (data, training, scoring, forecast, reengage, audit, review, postmortem, registry, taxonomy, reasons,
                   reviews):  # fmt: skip
        module.add_to(app)


def main() -> None:
    """Run the command line; errors end in one clear line and exit code 1."""
    _add_commands()
    try:
        app()
    except (CrmError, ModelError, FeatureError, InsightError, UsageError) as error:
        err.print(f"error: {error}", markup=False)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
