"""The page: all sections in order, in one HTML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from crm.tables import moment
from training.report import inputs, making, quality, verdict
from training.report.parts import Section
from training.run import Trained


def sections(trained: Trained, code_version: str) -> list[Section]:
    """All sections of a run's report."""
    return [
        verdict.verdict(trained), verdict.card(trained), making.absent(trained), quality.calibration(trained),
        quality.metrics(trained), quality.groups(trained), quality.lift(trained), inputs.drivers(trained),
        inputs.drift(trained), inputs.leaks(trained), quality.uncertainty(trained), quality.misses(trained),
        making.search(trained), making.provenance(trained, code_version),
    ]  # fmt: skip


@cache
def _template() -> Template:
    here = FileSystemLoader(Path(__file__).parent)
    # everything is escaped: names of deals and stages are whatever somebody typed into a CRM
    environment = Environment(loader=here, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    return environment.get_template("page.html.j2")


def render(trained: Trained, code_version: str) -> str:
    """The report of a run as one HTML page that needs no other file and no network.

    Args:
        trained: The run.
        code_version: Version of the code that made it.
    """
    simulated = trained.data.history.crm.process.simulated
    decision = trained.decision
    return _template().render(
        title=f"wonlost: win model trained before {moment(trained.data.cut):%Y-%m-%d}",
        headline=verdict.headline(trained),
        state="forced" if decision.forced else "yes" if decision.promoted else "no",
        simulated=verdict.SIMULATED if simulated else "",
        sections=sections(trained, code_version),
    )
