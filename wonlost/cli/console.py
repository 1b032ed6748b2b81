"""What all commands share: settings, the store, the registry, errors in one line, and how things are printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from crm.tables import CrmData, micros, moment
from insights.money import Rates, read_rates
from models.errors import ModelError, NoChampionError, TaxonomyError
from models.registry import NAME, REASONS, Registry, Version
from models.taxonomy import Taxonomy, default_taxonomy, load_taxonomy
from wonlost.settings import Settings

if TYPE_CHECKING:
    from crm.store import Store
    from insights.reasons import Classify
    from models.reasons import ReasonModel, SentenceEncoder

WIDE = None if sys.stdout.isatty() else 240
"""Width of what is printed: the terminal's; in a file or a pipe, wide enough that no line is broken."""
out = Console(highlight=False, soft_wrap=True, width=WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)

SIMULATED = "simulated data"

StoreOption = Annotated[
    str, typer.Option("--store", metavar="URL", help="Store of the imported CRM; by default WONLOST_STORE, else an "
                                                     "SQLite file under var/.")
]  # fmt: skip
AsOfOption = Annotated[
    str, typer.Option("--as-of", metavar="DATE", help="00:00 UTC of this day, or an instant; by default the day after "
                                                      "the newest event that is not after the import.")
]  # fmt: skip


class UsageError(Exception):
    """A command was called with something it cannot use."""


def settings(store: str = "") -> Settings:
    """Settings from the environment, with the store of the command line if one was given."""
    found = Settings()
    return found.model_copy(update={"store": store}) if store else found


def registry_of(chosen: Settings, name: str = NAME) -> Registry:
    """The registry of one model's versions; by default those of the win model."""
    return Registry(chosen.tracking_uri, chosen.cache, name)


def sentence_encoder(chosen: Settings) -> SentenceEncoder | None:
    """The encoder of the extra `multilingual`, with its cache under `var`; None where that is absent or not wanted."""
    from models.reasons import SentenceEncoder, encoder_available

    return SentenceEncoder(chosen.var / "sentences") if chosen.multilingual and encoder_available() else None


def load_reasons(chosen: Settings, kind: str = "loss") -> tuple[ReasonModel, Version]:
    """The champion of a kind of reasons, and its version.

    Raises:
        NoChampionError: None has been promoted yet.
        TaxonomyMismatch: It was fitted on another taxonomy than the one in use.
    """
    from models.bundle import load_bundle
    from models.reasons import ReasonModel

    registry = registry_of(chosen, REASONS[kind])
    version = registry.champion()
    model = load_bundle(registry.fetch(version), version.digest, kind=ReasonModel)
    model.check_taxonomy(taxonomy_of(chosen, kind))
    return model, version


def readers_of(chosen: Settings) -> dict[str, Classify]:
    """What reads notes, by kind, where there is a champion within reach; the others are told in a line."""
    found: dict[str, Classify] = {}
    for kind in REASONS:
        try:
            found[kind] = load_reasons(chosen, kind)[0].classify
        except NoChampionError:
            continue
        except ModelError as error:
            err.print(f"note: notes are not read: {error}", markup=False)
    return found


def taxonomy_of(chosen: Settings, kind: str) -> Taxonomy:
    """The reasons in use, of `loss` or of `win`: the company's own file, or the built-in one.

    Raises:
        TaxonomyError: The file is wrong, or of another kind.
    """
    path = {"loss": chosen.taxonomy, "win": chosen.win_taxonomy}[kind]
    if path is None:
        return default_taxonomy(kind)
    found = load_taxonomy(path)
    if found.kind != kind:
        setting = {"loss": "WONLOST_TAXONOMY", "win": "WONLOST_WIN_TAXONOMY"}[kind]
        raise TaxonomyError(f"{path}: its kind is {found.kind!r}, but {setting} needs one of kind {kind!r}")
    return found


def rates_of(chosen: Settings) -> Rates | None:
    """What amounts are converted by; None where no rates are set.

    Raises:
        RatesError: The file cannot be used.
    """
    return read_rates(chosen.rates) if chosen.rates is not None else None


@contextmanager
def open_store(chosen: Settings) -> Iterator[Store]:
    """The store, closed again at the end."""
    from crm.store import Store  # SQLAlchemy takes a moment to import

    if chosen.store_url.startswith("sqlite:///"):
        chosen.var.mkdir(parents=True, exist_ok=True)
    with Store.open(chosen.store_url) as store:
        yield store


def load(chosen: Settings) -> CrmData:
    """Everything in the store."""
    with open_store(chosen) as store:
        return store.load()


def parse_as_of(text: str, crm: CrmData) -> int | None:
    """The moment that `--as-of` names, in microseconds; None where it was not given.

    Raises:
        UsageError: It is not a date, or the export has no dates.
    """
    if not text:
        return None
    if crm.process.time_basis != "dates":
        raise UsageError("--as-of has no meaning here: the imported export has no dates")
    try:
        return micros(datetime.fromisoformat(text) if len(text) > 10 else date.fromisoformat(text))
    except ValueError:
        raise UsageError(f"--as-of {text!r} is not a date; write it as 2026-03-31") from None


def reject_future(as_of: int, crm: CrmData) -> None:
    """Refuse a moment that had not come when the data were imported, further than the next day.

    Raises:
        UsageError: It lies in the future.
    """
    if as_of > max(micros(datetime.now(UTC)), crm.imported_at) + 86_400_000_000:
        raise UsageError(f"--as-of {moment(as_of):%Y-%m-%d} lies in the future")


def table(title: str, columns: list[str], rows: list[list[str]], right: int = 1) -> Table:
    """A plain table; columns from `right` on are aligned to the right."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place >= right else "left")
    for row in rows:
        made.add_row(*row)
    return made


def is_terminal() -> bool:
    """Whether somebody watches: progress bars are for people."""
    return sys.stderr.isatty()


def progress_bar() -> Progress:
    """A bar with what is being done and since when; it goes when the work is done, and only a terminal shows it."""
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=err, transient=True,
                    disable=not is_terminal())  # fmt: skip
