"""Commands about models and the server: models, report, promote, rollback, serve."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crm.tables import moment
from models.registry import NAME, REASONS, Registry, Version
from wonlost.cli.console import (
    SIMULATED,
    StoreOption,
    UsageError,
    out,
    rates_of,
    registry_of,
    settings,
    table,
    taxonomy_of,
)

PORT = 8000
MODELS = {"win": NAME, **{f"{kind}-reason": name for kind, name in REASONS.items()}}
ModelOption = Annotated[str, typer.Option("--model", metavar="|".join(MODELS), help="Which model.")]


def _registry(model: str) -> Registry:
    if model not in MODELS:
        raise UsageError(f"--model {model!r} is not one of {', '.join(MODELS)}")
    return registry_of(settings(), MODELS[model])


def models(
    model: ModelOption = "win", as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """List the registered versions of a model with their aliases, figures and decisions."""
    versions = _registry(model).versions()
    if as_json:
        typer.echo(json.dumps([asdict(version) for version in versions], indent=1))
        return
    if not versions:
        out.print("no versions yet; see `wonlost train`")
        return
    _list_win(versions) if model == "win" else _list_reasons(versions)
    for version in versions:
        told = f" [{SIMULATED}]" if version.simulated else ""
        out.print(f"version {version.number}{told}: {version.decision}", markup=False)


def _list_win(versions: list[Version]) -> None:
    rows = []
    for version in versions:
        figures = version.metrics
        rows.append([
            str(version.number), ", ".join(version.aliases), str(figures.get("recipe", "")),
            str(figures.get("trained_before", "")),
            *(f"{figures[name]:.4f}" if name in figures else "" for name in ("log_loss", "base_rate_log_loss", "auc")),
            f"{moment(version.created_at * 1000):%Y-%m-%d %H:%M}",
        ])  # fmt: skip
    out.print(table("", ["version", "alias", "recipe", "trained before", "log-loss", "base rate", "AUC", "made (UTC)"],
                    rows, right=4))  # fmt: skip


def _list_reasons(versions: list[Version]) -> None:
    rows = []
    for version in versions:
        figures = version.metrics
        told = [figures.get(name) for name in ("accuracy", "macro_f1", "sure_share", "sure_accuracy")]
        rows.append([
            str(version.number), ", ".join(version.aliases), str(figures.get("trained_before", "")),
            f"{figures.get('answered_notes', 0):,}", f"{figures.get('notes', 0):,}",
            *("" if value is None else f"{value:.3f}" for value in told),
            f"{moment(version.created_at * 1000):%Y-%m-%d %H:%M}",
        ])  # fmt: skip
    out.print(table("", ["version", "alias", "trained before", "answered", "notes", "accuracy", "macro-F1", "sure",
                         "right of sure", "made (UTC)"], rows, right=3))  # fmt: skip


def report(
    version: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", help="Number of the version; by default the newest.")
    ] = None,
    model: ModelOption = "win",
    to: Annotated[str, typer.Option("--out", metavar="FILE", help="Where to; by default under var/.")] = "",
) -> None:
    """Write the report of a version's training, one HTML page, to a file."""
    chosen = settings()
    registry = _registry(model)
    if version is None:
        versions = registry.versions()
        if not versions:
            raise UsageError("no versions yet; see `wonlost train`")
        version = versions[0].number
    page = registry.report(version)
    path = Path(to) if to else chosen.var / "reports" / f"{model}-version-{version}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    out.print(f"the report of version {version} is in {path}", markup=False)


def promote(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Number of the version.")],
    model: ModelOption = "win",
) -> None:
    """Make a version the champion; running servers pick it up by themselves."""
    _registry(model).promote(version)
    out.print(f"version {version} is the champion")


def rollback(model: ModelOption = "win") -> None:
    """Make the champion before the present one the champion again."""
    version = _registry(model).rollback()
    out.print(f"version {version.number} is the champion again")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback only until sign-in exists.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=f"Port; {PORT} by default, or a free one where that is taken.")
    ] = None,
    store: StoreOption = "",
) -> None:
    """Serve the API on loopback."""
    from insights.pipeline import Limits
    from serving.app import create_app
    from serving.errors import ListenError, PortTakenError
    from serving.forecast import Forecasts
    from serving.reengagement import Reengagement
    from serving.review import ReviewSettings
    from serving.server import serve as run_server

    chosen = settings(store)
    app = create_app(
        chosen.store_url, registry_of(chosen), refresh_seconds=chosen.refresh_seconds, max_deals=chosen.max_deals,
        max_body_bytes=chosen.max_body_bytes, taxonomies={kind: taxonomy_of(chosen, kind) for kind in REASONS},
        forecasts=Forecasts(rates_of(chosen), chosen.fiscal_year_start,
                            Limits(chosen.stale_days, chosen.pushes, chosen.contacts)),
        reviews=ReviewSettings(rates_of(chosen), chosen.least_group, chosen.fiscal_year_start),
        reengagement=Reengagement(chosen.reengagement(12), rates_of(chosen), chosen.var / "reengagement"),
    )  # fmt: skip

    def listening(address: str) -> None:
        out.print(f"serving on {address} (try {address}/v1/deals; described by {address}/openapi.json)", markup=False)

    try:
        try:
            run_server(app, host, PORT if port is None else port, listening)
        except PortTakenError:
            if port is not None:
                raise
            run_server(app, host, 0, listening)
    except ListenError as error:
        raise UsageError(str(error)) from None


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (models, report, promote, rollback, serve):
        app.command(command.__name__)(command)
