"""Pages of `docs/` that are written from the code that they describe: `python -m wonlost.reference`."""

from __future__ import annotations

from pathlib import Path

from crm.schema import TABLES
from features.registry import declared
from models.registry import Registry
from models.taxonomy import BUILT_IN, default_taxonomy
from serving.app import create_app

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTICE = "<!-- Written by `python -m wonlost.reference` from the code; edit that instead. -->\n"
FROM_HERE = "<!-- From here on written by `python -m wonlost.reference` from models/taxonomy/; edit that instead. -->"


def data_page() -> str:
    """The tables of a CRM, column by column."""
    lines = [
        "# The data", NOTICE,
        "Only `opportunities` is required; every further table adds its features, and what is absent is said in the "
        "report, never guessed. *Known* says when a column is known if the mapping says nothing: `created` (fixed at "
        "entry), `history` (rebuilt from its changes), `closed` (known only once the deal is closed, so never a "
        "feature of an open one), `event` (from the event's own time on).", "",
    ]  # fmt: skip
    for name, table in TABLES.items():
        lines += [f"## {name}", (table.__doc__ or "").split("\n")[0], "",
                  "| column | kind | known | unit | meaning |", "|---|---|---|---|---|"]  # fmt: skip
        for column, described in table.columns().items():
            needed = " (required)" if described.required else ""
            lines.append(f"| `{column}`{needed} | {described.kind} | {described.known} | {described.unit} "
                         f"| {described.meaning} |")  # fmt: skip
        if table.custom:
            lines += ["", "A company's own columns may be added in the mapping, with kind and `known`."]
        lines.append("")
    return "\n".join(lines)


def features_page() -> str:
    """The features, by family."""
    lines = [
        "# The features", NOTICE,
        "What is known about a deal at a moment. None can see an event at or after that moment; a test proves it for "
        "each. A feature whose sources the data lack is not used, and the run says so. Custom columns declared in the "
        "mapping as `created` or `history` become features `custom.<name>` and `account.<name>`; each open stage that "
        "the mapping declares becomes `since.<stage>`, the days since the deal last entered it.", "",
    ]  # fmt: skip
    family = ""
    for feature in declared():
        if feature.family != family:
            family = feature.family
            lines += [f"## {family}", "", "| feature | in words | unit | made of | meaning |", "|---|---|---|---|---|"]
        needs = ", ".join(f"`{need}`" for need in feature.needs)
        meaning = " ".join(feature.doc.split())
        lines.append(f"| `{feature.name}` | {feature.label} | {feature.unit} | {needs} | {meaning} |")
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """The routes of the API, from its OpenAPI document."""
    app = create_app("sqlite://", Registry("sqlite://", Path()))
    lines = [
        "# The API", NOTICE,
        "`wonlost serve` listens on loopback only, until sign-in exists. `GET /openapi.json` describes every field, "
        "with examples. Every error has one shape: `{\"error\": {\"code\", \"message\", \"details\"}}`.", "",
    ]  # fmt: skip
    for path, methods in app.openapi()["paths"].items():
        for method, route in methods.items():
            lines += [f"## {method.upper()} {path}", route.get("description", route["summary"]), ""]
            if route.get("parameters"):
                lines += ["| parameter | meaning |", "|---|---|"]
                for parameter in route["parameters"]:
                    described = parameter.get("description") or parameter["schema"].get("description", "")
                    lines.append(f"| `{parameter['name']}` | {described} |")
                lines.append("")
            for status, told in route["responses"].items():
                lines.append(f"- {status} {' '.join(told['description'].split())}")
            lines.append("")
    return "\n".join(lines)


def taxonomy_page() -> str:
    """The reasons of lost and won deals, below what is written by hand on how a company makes them its own."""
    by_hand = (DOCS / "taxonomy.md").read_text().split(FROM_HERE)[0]
    lines = [by_hand + FROM_HERE]
    for kind in BUILT_IN:
        taxonomy = default_taxonomy(kind)
        lines += ["", f"## Why deals are {'lost' if kind == 'loss' else 'won'} (`models/taxonomy/{kind}.toml`)"]
        for group in taxonomy.groups:
            lines += ["", f"### {group}"]
            for reason in taxonomy.reasons:
                if reason.group != group:
                    continue
                counts = "" if reason.counts else " Left out of rates."
                days = reason.wait_days
                wait = "" if days is None else f" Worth most {days[0]} to {days[1]} days after the loss."
                again = "for another call" if kind == "loss" else "to repeat it"
                lines += ["", f"**{reason.name}** (`{reason.id}`): {reason.definition}{counts}", "",
                          f"- as sellers write it: {'; '.join(reason.seeds[:4])} …",
                          f"- picklist values: {', '.join(reason.synonyms)}",
                          f"- {again}: {reason.hint}{wait}"]  # fmt: skip
    return "\n".join(lines) + "\n"


PAGES = {"data.md": data_page, "features.md": features_page, "api.md": api_page, "taxonomy.md": taxonomy_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
