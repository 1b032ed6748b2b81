"""Small data: Salvirt's distinct deals in ten times five folds, beside one-hot logistic regression on the same rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.results import ROOT, markdown, shared
from crm.importing import import_export
from crm.mapping import load_mapping
from crm.store import Store
from models.scoring import score_open
from training.run import train

OUTCOME = "Status"
REPEATS, FOLDS = 10, 5


def salvirt_b2b() -> str:
    """Every fold is imported without its outcomes, trained on the rest and scored."""
    table = pd.read_csv(shared("data/salvirt_b2b/opportunities.csv"), dtype=str, keep_default_na=False)
    table = table.drop_duplicates(ignore_index=True)
    won = (table[OUTCOME] == "Won").to_numpy(dtype=np.float64)
    said: dict[str, list[np.ndarray]] = {}
    recipes: dict[str, int] = {}
    for repeat in range(REPEATS):
        p = {name: np.empty(len(table)) for name in ("logistic regression, C = 0.1", "logistic regression", "wonlost")}
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat)
        for learn, test in folds.split(table, won):
            for name, c in (("logistic regression, C = 0.1", 0.1), ("logistic regression", 1.0)):
                line = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(C=c, max_iter=2000))
                line.fit(table.iloc[learn].drop(columns=OUTCOME), won[learn])
                p[name][test] = line.predict_proba(table.iloc[test].drop(columns=OUTCOME))[:, 1]
            p["wonlost"][test], recipe = _wonlost(table, test)
            recipes[recipe] = recipes.get(recipe, 0) + 1
        for name, values in p.items():
            said.setdefault(name, []).append(values)
    rows: list[list[object]] = []
    for name, runs in said.items():
        losses = [log_loss(won, values) for values in runs]
        areas = [roc_auc_score(won, values) for values in runs]
        spread = f"{min(losses):.4f} to {max(losses):.4f}"
        rows.append([name, f"{np.mean(losses):.4f}", spread, f"{np.mean(areas):.4f}"])
    chosen = ", ".join(f"{recipe} {n}" for recipe, n in sorted(recipes.items(), key=lambda item: -item[1]))
    return (f"{len(table)} distinct deals, {REPEATS} x {FOLDS} folds.\n\n"
            f"{markdown(['', 'log-loss', 'of the repeats', 'AUC'], rows)}\n\nRecipes chosen: {chosen}.")  # fmt: skip


def _wonlost(table: pd.DataFrame, test: np.ndarray) -> tuple[np.ndarray, str]:
    """Probabilities of the test rows, and the recipe that was chosen without their outcomes."""
    hidden = table.copy()
    hidden.loc[test, OUTCOME] = ""
    with tempfile.TemporaryDirectory() as folder:
        hidden.to_csv(Path(folder) / "opportunities.csv", index=False)
        with Store.open("sqlite://") as store:
            mapping = load_mapping(ROOT / "benchmarks" / "mappings" / "salvirt_b2b.toml")
            import_export([Path(folder)], mapping, store)
            crm = store.load()
    trained = train(crm)
    parts = list(score_open(trained.data.history, trained.model, trained.data.cut))
    by_id = {deal: p for part in parts for deal, p in zip(part.deal_ids, part.p, strict=True)}
    if len(by_id) != len(test):
        raise RuntimeError(f"{len(by_id)} deals scored of {len(test)}")
    ids = sorted(by_id, key=int)  # rows are numbered in order
    return np.array([by_id[name] for name in ids]), trained.choice.served.recipe.name
