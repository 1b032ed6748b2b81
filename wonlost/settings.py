"""Settings: the only place that reads the environment."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from insights.reengagement.options import CUSTOMER_BUSINESS, Options


class Settings(BaseSettings):
    """Settings of wonlost, each from `WONLOST_<NAME>` unless said otherwise.

    Attributes:
        store: URL of the store.
        var: Folder for everything that wonlost writes when not told otherwise.
        mlflow_tracking_uri: MLflow tracking and registry URI, from `MLFLOW_TRACKING_URI`.
        threads: Threads of a training, in a fit or of fits side by side; more than the machine has cores are slower.
        least_deals: Fewest won, and fewest lost, deals to train on.
        leak_alarm: AUC above which a single feature stops the training.
        keep_scores_days: How many days scoring runs are kept; 0 for ever.
        refresh_seconds: How often the server looks for a promotion or a new import.
        max_deals: Most deals that one request may send.
        max_body_bytes: Largest body of a request.
        stale_days: Days of silence from which on an open deal needs a look.
        pushes: Times its close date was pushed from which on it does.
        contacts: Contacts up to which it hangs on a single thread.
        taxonomy: File of the loss reasons; by default the built-in one.
        multilingual: Whether models of reasons use sentence vectors where the extra of this name is installed: more
            often right, and some 25 ms slower for a note not read before.
        sure_accuracy: Accuracy that readings of notes called `sure` are to have.
        win_taxonomy: File of the win reasons; by default the built-in one.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
        rates: TOML file of currency rates to convert amounts by; by default currencies are shown apart.
        reengage_least_days: Days after a loss within which a deal is left out of the re-engagement queue.
        reengage_least_winbacks: Fewest accounts won back for probabilities of the company's own, not the prior's.
        reengage_opt_out: Custom columns that say not to call, separated by commas; by default those named so.
        reengage_contract_end: Custom column of deals with the end of the rival's contract, or months until it.
        customer_business: Pattern of deal types that are business with customers (renewals, expansions).
        least_group: Fewest decided deals for which a team or an owner is compared with the odds of its deals.
    """

    model_config = SettingsConfigDict(env_prefix="WONLOST_")

    var: Path = Path("var")
    store: str = ""
    mlflow_tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    threads: int = Field(default=min(2, os.cpu_count() or 1), ge=1)
    least_deals: int = Field(default=60, ge=1)
    leak_alarm: float = Field(default=0.95, gt=0.5, le=1)
    keep_scores_days: int = Field(default=730, ge=0)
    refresh_seconds: float = Field(default=2.0, gt=0)
    max_deals: int = Field(default=1000, ge=1)
    max_body_bytes: int = Field(default=20_000_000, ge=1)
    stale_days: float = Field(default=30, gt=0)
    pushes: int = Field(default=2, ge=1)
    contacts: int = Field(default=1, ge=0)
    taxonomy: Path | None = None
    win_taxonomy: Path | None = None
    multilingual: bool = True
    sure_accuracy: float = Field(default=0.85, gt=0.5, lt=1)
    fiscal_year_start: int = Field(default=1, ge=1, le=12)
    rates: Path | None = None
    least_group: int = Field(default=20, ge=5)
    reengage_least_days: int = Field(default=30, ge=0)
    reengage_least_winbacks: int = Field(default=40, ge=1)
    reengage_opt_out: str = ""
    reengage_contract_end: str = ""
    customer_business: str = CUSTOMER_BUSINESS

    @field_validator("customer_business")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    def reengagement(self, horizon: int) -> Options:
        """How the re-engagement queue is made, for a horizon in months."""
        return Options(
            horizon=horizon, least_days=self.reengage_least_days, least_winbacks=self.reengage_least_winbacks,
            fiscal_year_start=self.fiscal_year_start, customer_business=self.customer_business,
            opt_out=tuple(name.strip() for name in self.reengage_opt_out.split(",") if name.strip()),
            contract_end=self.reengage_contract_end,
        )  # fmt: skip

    @property
    def store_url(self) -> str:
        """The store's URL; an SQLite file in `var` by default."""
        return self.store or f"sqlite:///{self.var / 'wonlost.db'}"

    @property
    def tracking_uri(self) -> str:
        """MLflow's URI; an SQLite file in `var` by default."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.var / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps files when its store is a local SQLite file."""
        return self.var / "mlartifacts"

    @property
    def cache(self) -> Path:
        """Where local copies of models are kept."""
        return self.var / "models"
