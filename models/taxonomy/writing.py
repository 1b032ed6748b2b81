"""A taxonomy as TOML text, as `parse_taxonomy` reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from models.taxonomy.reasons import Reason, Taxonomy


def to_toml(taxonomy: Taxonomy, remarks: Mapping[str, str] | None = None) -> str:
    """The text of a taxonomy's file; read again, it gives the same digest.

    Args:
        taxonomy: What to write.
        remarks: Comments behind the ids of reasons, without line breaks.
    """
    lines = [f"kind = {_text(taxonomy.kind)}", f"name = {_text(taxonomy.name)}", f"groups = {_list(taxonomy.groups)}"]
    for reason in taxonomy.reasons:
        remark = f"  # {remarks[reason.id]}" if remarks and reason.id in remarks else ""
        lines += ["", f"[reasons.{_key(reason.id)}]{remark}", *_reason(reason)]
    return "\n".join(lines) + "\n"


def _reason(reason: Reason) -> list[str]:
    """The keys of a reason; what is as it is by default is left out."""
    lines = [f"group = {_text(reason.group)}", f"name = {_text(reason.name)}",
             f"definition = {_text(reason.definition)}", f"seeds = {_list(reason.seeds)}"]  # fmt: skip
    optional = {"synonyms": reason.synonyms, "formerly": reason.formerly}
    lines += [f"{key} = {_list(values)}" for key, values in optional.items() if values]
    if reason.hint:
        lines.append(f"hint = {_text(reason.hint)}")
    if reason.wait_days is not None:
        lines.append(f"wait_days = {list(reason.wait_days)}")
    if not reason.counts:
        lines.append("counts = false")
    return lines


def _text(value: str) -> str:
    # JSON's strings are TOML's basic strings, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _key(id: str) -> str:
    return id if re.fullmatch(r"[A-Za-z0-9_-]+", id) else _text(id)
