"""The page: all sections in order, in one HTML file."""

from __future__ import annotations

from crm.tables import moment
from insights import pages
from insights.pages.parts import Section
from training.report import inputs, making, quality, timing, verdict
from training.run import Trained


def sections(trained: Trained, code_version: str) -> list[Section]:
    """All sections of a run's report."""
    return [
        verdict.verdict(trained), verdict.card(trained), making.absent(trained), quality.calibration(trained),
        quality.metrics(trained), quality.groups(trained), quality.lift(trained), timing.timing(trained),
        inputs.drivers(trained), inputs.drift(trained), inputs.leaks(trained), quality.uncertainty(trained),
        quality.misses(trained), making.search(trained), making.provenance(trained, code_version),
    ]  # fmt: skip


def render(trained: Trained, code_version: str) -> str:
    """The report of a run as one HTML page that needs no other file and no network.

    Args:
        trained: The run.
        code_version: Version of the code that made it.
    """
    simulated = trained.data.history.crm.process.simulated
    decision = trained.decision
    return pages.render(
        f"wonlost: win model trained before {moment(trained.data.cut):%Y-%m-%d}", verdict.headline(trained),
        sections(trained, code_version), simulated=simulated,
        state="forced" if decision.forced else "yes" if decision.promoted else "no",
    )  # fmt: skip
