"""The head of a report: whether the model may serve, and the model card, in words that a manager understands."""

from __future__ import annotations

from crm.tables import NAT, moment
from insights.pages.parts import Items, Part, Section, Table, Text, count, gain_share, number, percent
from training.evaluation import CHAMPION, MODEL
from training.gate import LEAST_GAIN, MOST_HARM
from training.run import Trained


def headline(trained: Trained) -> str:
    """Whether the model may serve, in one line."""
    if trained.decision.forced:
        return "It serves by somebody's decision, against what the gate said."
    return "Yes: it may serve." if trained.decision.promoted else "No: it must not serve."


def verdict(trained: Trained) -> Section:
    """The decision of the gate with all its figures."""
    decision, weighted = trained.decision, trained.report.weighted
    model, base = trained.report.overall[MODEL], trained.report.overall["base rate"]
    base_loss = weighted["base rate"].log_loss
    enough = decision.gain.lower > 0 and decision.gain_share >= LEAST_GAIN
    rows = [
        ["base rate", gain_share(decision.gain, base_loss), number(decision.gain.mean),
         f"{number(decision.gain.lower)} to {number(decision.gain.upper)}",
         f"at least {LEAST_GAIN:.0%}, and surely above 0: " + ("met" if enough else "not met")],
        ["stage x age", gain_share(decision.on_table, weighted["stage x age"].log_loss), number(decision.on_table.mean),
         f"{number(decision.on_table.lower)} to {number(decision.on_table.upper)}",
         "nothing: the table is itself a candidate"],
    ]  # fmt: skip
    champion = decision.on_champion
    if champion is not None:
        loss = weighted[CHAMPION].log_loss
        met = -champion.lower <= MOST_HARM * loss
        rows.append(
            [CHAMPION, gain_share(champion, loss), number(champion.mean),
             f"{number(champion.lower)} to {number(champion.upper)}",
             f"surely not worse by more than {MOST_HARM:.1%}: " + ("met" if met else "not met")]
        )  # fmt: skip
    parts: list[Part] = [
        Text(f"The gate: {decision.reason}."),
        Text(f"At {count(len(trained.folds), 'moment')} of the past the model was fitted on what was known then, and "
             f"asked about what came next: {count(model.n, 'row')} of {count(_n_tested(trained), 'deal')}, of which "
             f"{percent(model.rate)} of the rows were won. It told won from lost with an AUC of {number(model.auc, 3)} "
             f"(0.5 is chance, 1 is perfect), and said {percent(model.mean_probability)} on average. Its log-loss was "
             f"{number(model.log_loss)}, the base rate's {number(base.log_loss)}; log-loss tells how far probabilities "
             f"were from what happened, and lower is better."),
        Table("How much lower its log-loss is than that of each rival, rows weighed for censoring; intervals of 95 % "
              "from resampling deals", ["against", "saved (interval)", "log-loss", "interval", "the gate wants"], rows,
              texts=1),
    ]  # fmt: skip
    if champion is None:
        parts.append(Text("There was no champion to compare with."))
    if decision.forced:
        parts.insert(0, Text(f"Somebody promoted it and said why: {decision.forced}"))
    return Section("verdict", "May it serve?", parts)


def _n_tested(trained: Trained) -> int:
    return len(set(trained.tested.deal_ids))


def card(trained: Trained) -> Section:
    """The model card (Mitchell et al. 2019), in words."""
    data, process = trained.data, trained.data.history.crm.process
    won, lost = data.n_deals
    families = sorted({item.family for item in data.features if item.name in trained.model.features})
    origin = "simulated, not a real company's" if process.simulated else "the company's own CRM, as imported"
    not_used = ", ".join(data.known_at_close) or "none"
    rows = [
        ["What it says", "How likely an open deal is to be won, given that it closes one day; with an interval, and "
                         "with reasons that add up to the number."],
        ["Made of", f"{trained.model.recipe}; calibration: {trained.choice.served.calibration.kind}"],
        ["Use it to", "order open deals by where attention pays, to see what speaks for and against a deal, and to add "
                      "up expected wins over many deals."],
        ["Do not use it to", "rate or pay people (it describes deals, and owners get different ones), to settle the "
                             "fate of a single deal, or to foresee the effect of a change: reasons are what went "
                             "along with winning, not what caused it."],
        ["Data", f"{origin}; {_period(trained)}; {won + lost:,} closed deals ({won:,} won, {lost:,} lost; "
                 f"win rate {percent(won / (won + lost), 1)}), seen at {count(len(data.rows), 'moment')}"],
        ["Looks at", f"{count(len(trained.model.features), 'feature')} of {len(families)} families: "
                     f"{', '.join(families)}"],
        ["Known only at the close, so not used", not_used],
        ["Knows nothing after", f"{moment(data.cut):%Y-%m-%d}" if data.dated else "the day of the import"],
    ]  # fmt: skip
    parts: list[Part] = [Table("Model card", ["", ""], rows, texts=2), Text("Its limits:"), Items(_limits(trained))]
    return Section("card", "Model card", parts)


def _period(trained: Trained) -> str:
    data = trained.data
    if not data.dated:
        return "without dates"
    created = data.history.created[data.rows.deal]
    first = int(created[created != NAT].min())
    return f"deals entered from {moment(first):%Y-%m-%d} and closed before {moment(data.cut):%Y-%m-%d}"


def _limits(trained: Trained) -> list[str]:
    """What the model cannot do, this one in particular."""
    found = ["It knows what the CRM records, and nothing of what was said elsewhere.",
             "It learnt from deals that had closed; of recent ones those are the quick ones."]  # fmt: skip
    for title, groups in trained.report.groups.items():
        rivals = groups["stage x age"]
        weak = [level for level, figures in groups[MODEL].items() if figures.log_loss >= rivals[level].log_loss]
        if weak:
            found.append(f"By {title}, it was no better than a table of win rates by stage and age in: "
                         f"{', '.join(weak)}.")  # fmt: skip
    slope = trained.report.overall[MODEL].slope
    if slope < 0.8:
        found.append(f"It is overconfident: high probabilities were too high and low ones too low (slope {slope:.2f}).")
    elif slope > 1.25:
        found.append(f"It is too timid: high probabilities were too low and low ones too high (slope {slope:.2f}).")
    found += [f"{warning[:1].upper()}{warning[1:]}." for warning in trained.drift.warnings]
    return found
