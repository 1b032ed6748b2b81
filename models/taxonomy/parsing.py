"""A taxonomy from TOML text; what is wrong with it is said with file and line."""

from __future__ import annotations

import tomllib
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from models.errors import TaxonomyError
from models.taxonomy.lines import Lines
from models.taxonomy.reasons import MAX_ID, Reason, Taxonomy, called, plain, usable_id

BUILT_IN = ("loss", "win")
_TOP = ("kind", "name", "groups", "reasons")
_TEXTS = ("group", "name", "definition", "hint")
_LISTS = ("seeds", "synonyms", "formerly")
_KEYS = ("group", "name", "definition", "seeds", "counts", "synonyms", "hint", "wait_days", "formerly")


@cache
def default_taxonomy(kind: str) -> Taxonomy:
    """The taxonomy that comes with wonlost: of `loss` or of `win`.

    Raises:
        TaxonomyError: There is none of this kind.
    """
    return parse_taxonomy(read_taxonomy_text(kind), f"{kind}.toml")


def read_taxonomy_text(kind: str) -> str:
    """The file of a built-in taxonomy, as a company copies it.

    Raises:
        TaxonomyError: There is none of this kind.
    """
    if kind not in BUILT_IN:
        raise TaxonomyError(f"there is no built-in taxonomy {kind!r}, only {' and '.join(BUILT_IN)}")
    return (resources.files("models.taxonomy") / f"{kind}.toml").read_text(encoding="utf-8")


def load_taxonomy(path: str | Path) -> Taxonomy:
    """A taxonomy from a TOML file.

    Raises:
        TaxonomyError: The file cannot be read, or is wrong: each fault with file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TaxonomyError(f"taxonomy {path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TaxonomyError(f"taxonomy {path} cannot be read: {error}") from error
    return parse_taxonomy(text, str(path))


def parse_taxonomy(text: str, file: str) -> Taxonomy:
    """A taxonomy from TOML text; `file` is what errors call it.

    Raises:
        TaxonomyError: The text is not TOML or not a taxonomy: each fault with file and line.
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        twice = [f"{file}, line {line}: reason {id!r} is there already, at line {first}"
                 for id, first, line in Lines(text).repeated()]  # fmt: skip
        raise TaxonomyError("\n".join(twice) or f"{file}: not valid TOML: {error}") from error
    found = _Parser(values, text)
    taxonomy = found.taxonomy()
    if taxonomy is None:
        raise TaxonomyError("\n".join(f"{file}, line {line}: {fault}" for line, fault in sorted(found.faults)))
    return taxonomy


class _Parser:
    """One reading of the values of a file; collects all faults with their lines."""

    def __init__(self, values: dict[str, Any], text: str) -> None:
        self.values = values
        self.text = text
        self.faults: list[tuple[int, str]] = []

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.text)

    def fault(self, text: str, id: str | None = None, key: str | None = None, value: str | None = None) -> None:
        self.faults.append((self.lines.of(id, key, value), text))

    def taxonomy(self) -> Taxonomy | None:
        for key in self.values:
            if key not in _TOP:
                self.fault(f"no such key {key!r}; there are {', '.join(_TOP)}", key=key)
        kind, name = (self._text(self.values, key, None) for key in ("kind", "name"))
        groups = self._list(self.values, "groups", None)
        tables = self.values.get("reasons", {})
        if not isinstance(tables, dict) or not tables:
            self.fault("there are no reasons; write each as [reasons.its_id]", key="reasons")
            return None
        reasons = tuple(self._reason(id, table, groups) for id, table in tables.items() if self._usable(id, table))
        used = {reason.group for reason in reasons}
        for group in groups:
            if group not in used:
                self.fault(f"group {group!r} has no reasons", key="groups", value=group)
        self._check_synonyms(reasons)
        self._check_formerly(reasons)
        if self.faults:
            return None
        return Taxonomy(kind, name, groups, reasons)

    def _usable(self, id: str, table: object) -> bool:
        if not isinstance(table, dict):
            self.fault(f"reasons.{id} must be a table: [reasons.{id}]", id)
            return False
        if not usable_id(id):
            self.fault(f"{id!r} cannot be an id: printable text of at most {MAX_ID} characters without '|' (which "
                       "separates reasons in a label) or spaces around it", id)  # fmt: skip
        return True

    def _reason(self, id: str, table: dict[str, Any], groups: tuple[str, ...]) -> Reason:
        for key in table:
            if key not in _KEYS:
                self.fault(f"reason {id!r}: no such key {key!r}; there are {', '.join(_KEYS)}", id, key)
        texts = {key: self._text(table, key, id, needed=key != "hint") for key in _TEXTS}
        lists = {key: self._list(table, key, id) for key in _LISTS}
        if texts["group"] and texts["group"] not in groups:
            told = f"group {texts['group']!r} is not one of groups ({', '.join(groups)})"
            self.fault(f"reason {id!r}: {told}", id, "group")
        if not lists["seeds"] and isinstance(table.get("seeds", []), list):
            self.fault(f"reason {id!r}: without a seed phrase it cannot be recognised; give some in seeds", id, "seeds")
        counts = table.get("counts", True)
        if not isinstance(counts, bool):
            self.fault(f"reason {id!r}: counts must be true or false, not {counts!r}", id, "counts")
        return Reason(id, texts["group"], texts["name"], texts["definition"], lists["seeds"], bool(counts),
                      lists["synonyms"], texts["hint"], lists["formerly"], self._wait(id, table))  # fmt: skip

    def _wait(self, id: str, table: dict[str, Any]) -> tuple[int, int] | None:
        wait = table.get("wait_days")
        if wait is None:
            return None
        if (not isinstance(wait, list) or len(wait) != 2 or any(type(day) is not int for day in wait)
                or not 0 <= wait[0] <= wait[1]):  # fmt: skip
            told = f"wait_days must be two whole numbers such as [60, 180], not {wait!r}"
            self.fault(f"reason {id!r}: {told}", id, "wait_days")
            return None
        return wait[0], wait[1]

    def _text(self, table: dict[str, Any], key: str, id: str | None, needed: bool = True) -> str:
        whose = "" if id is None else f"reason {id!r}: "
        value = table.get(key, "")
        if not isinstance(value, str):
            self.fault(f"{whose}{key} must be text, not {value!r}", id, key)
            return ""
        if needed and not value.strip():
            self.fault(f"{whose}{key} is {'empty' if key in table else 'missing'}", id, key)
        return " ".join(value.split())

    def _list(self, table: dict[str, Any], key: str, id: str | None) -> tuple[str, ...]:
        whose = "" if id is None else f"reason {id!r}: "
        values = table.get(key, [])
        if not isinstance(values, list):
            self.fault(f"{whose}{key} must be a list of texts, not {values!r}", id, key)
            return ()
        seen: dict[str, None] = {}
        for value in values:
            if not isinstance(value, str) or not value.strip():
                self.fault(f"{whose}{key} must hold texts, not {value!r}", id, key)
            elif value in seen:
                self.fault(f"{whose}{key} holds {value!r} twice", id, key, value)
            else:
                seen[value] = None
        return tuple(seen)

    def _check_synonyms(self, reasons: tuple[Reason, ...]) -> None:
        owner: dict[str, Reason] = {}
        for reason in reasons:
            for value in called(reason):
                other = owner.setdefault(plain(value), reason) if plain(value) else reason
                if other is not reason:
                    key = "synonyms" if value in reason.synonyms else "name" if value == reason.name else None
                    told = f"a picklist's {value!r} would be both {other.id!r} and {reason.id!r}; leave it to one"
                    self.fault(f"reason {reason.id!r}: {told}", reason.id, key, value)

    def _check_formerly(self, reasons: tuple[Reason, ...]) -> None:
        """An id that is in use cannot be a former one: labels would lead to two places, or in a circle."""
        former = {reason.id: reason.formerly for reason in reasons}
        for reason in reasons:
            for old in reason.formerly:
                if old not in former:
                    continue
                circle = _circle(reason.id, old, former)
                told = f"these lead in a circle: {' -> '.join(circle)}" if circle else (
                    f"{old!r} is a reason of its own here; remove that one to merge it, and to split it give every "
                    "part a new id")  # fmt: skip
                self.fault(f"reason {reason.id!r}: formerly names {old!r}, but {told}", reason.id, "formerly", old)


def _circle(start: str, first: str, former: dict[str, tuple[str, ...]]) -> list[str]:
    """A way from `start` by `first` back to `start` along former ids; empty if there is none."""
    ways, seen = [[start, first]], {first}
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        following = [id for id in former.get(way[-1], ()) if id not in seen]
        seen.update(following)
        ways += [[*way, id] for id in following]
    return []
