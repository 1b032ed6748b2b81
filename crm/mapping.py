"""Mappings from an export to the CRM's tables: the built-in ones, a company's own file, or the one recognised."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from crm.errors import MappingError
from crm.rules import ColumnRule, CustomRule, Format, Mapping, ProcessRule, TableRule

if TYPE_CHECKING:
    from crm.reading.files import Source

__all__ = [
    "ColumnRule", "CustomRule", "Format", "Mapping", "ProcessRule", "TableRule",
    "builtin_mappings", "load_mapping", "mapping_sha256", "parse_mapping", "recognise",
]  # fmt: skip

OWN_MAPPING = "mapping.toml"
"""A folder that holds a file of this name is read with it."""


def builtin_mappings() -> list[str]:
    """Names of the mappings that come with wonlost, in alphabetical order."""
    return sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml"))


def load_mapping(name_or_path: str | Path) -> Mapping:
    """A mapping by the name of a built-in one, or by the path of a TOML file.

    Raises:
        MappingError: There is no such mapping, or the file is wrong; the text names file, key and value.
    """
    if isinstance(name_or_path, str) and name_or_path in builtin_mappings():
        return parse_mapping((_folder() / f"{name_or_path}.toml").read_text(encoding="utf-8"), f"{name_or_path}.toml")
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MappingError(
            f"mapping {str(name_or_path)!r} is neither a file nor one of {', '.join(builtin_mappings())}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"mapping {path} cannot be read: {error}") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, file: str) -> Mapping:
    """A mapping from TOML text; `file` is what errors call it.

    Raises:
        MappingError: The text is not TOML, or says something that a mapping cannot say.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{file}: not valid TOML: {error}") from error
    try:
        return Mapping.model_validate(values)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            key = ".".join(str(part) for part in problem["loc"])
            reason = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                reason = "no such key"
            shown = "" if isinstance(problem["input"], dict) else f", value {problem['input']!r}"
            lines.append(f"{file}{f', key {key}' if key else ''}{shown}: {reason}")
        raise MappingError("\n".join(lines)) from None


def mapping_sha256(mapping: Mapping) -> str:
    """Digest of all that a mapping says, whatever the layout of its file."""
    return hashlib.sha256(mapping.model_dump_json(by_alias=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Fit:
    mapping: Mapping
    headers: int


def recognise(path: Path) -> Mapping:
    """The mapping that fits an export best: the folder's own `mapping.toml`, else the built-in one whose headers fit.

    Args:
        path: A file, or a folder of files.

    Raises:
        MappingError: None fits; the text names the nearest one and what it lacks, and the headers that were seen.
        InputError: A file cannot be read at all.
    """
    from crm.importing.binding import assign, export_files
    from crm.reading.files import Source

    own = (path if path.is_dir() else path.parent) / OWN_MAPPING
    if own.is_file():
        return load_mapping(own)
    files = export_files([path])
    sources = [Source.open(file, Format()) for file in files]
    best: _Fit | None = None
    for name in builtin_mappings():
        mapping = load_mapping(name)
        bindings, _ = assign(sources, mapping)
        deals = [binding for binding in bindings if binding.table == "opportunities" and not binding.missing_required()]
        if deals:
            fit = _Fit(mapping, sum(len(binding.used) for binding in bindings))
            best = fit if best is None or fit.headers > best.headers else best
    if best is None:
        seen = "\n".join(f"  {source.name}: {', '.join(source.header)}" for source in sources[:20]) or "  no files"
        raise MappingError(
            f"{path}: no built-in mapping ({', '.join(builtin_mappings())}) fits these headers:\n{seen}\n"
            f"{_nearest(sources)}Write a mapping, starting from: wonlost mapping suggest PATH"
        )
    return best.mapping


def _nearest(sources: Sequence[Source]) -> str:
    """The built-in mapping and file that come nearest to fitting, and what they lack; "" if none is near."""
    from crm.importing.binding import bind

    bound = [
        (name, bind(source, "opportunities", load_mapping(name))) for name in builtin_mappings() for source in sources
    ]
    near = [(name, binding, binding.missing_required()) for name, binding in bound if binding.used]
    if not near:
        return ""
    name, binding, missing = min(near, key=lambda entry: (len(entry[2]), -len(entry[1].used)))
    file = binding.source.name
    if not missing:
        called = " or ".join(map(repr, binding.rule.files))
        return f"Nearest is {name!r}: {file} has the headers of its deals, but not a name such as {called}.\n"
    lines = [f"Nearest is {name!r}; to be its deals, {file} lacks"]
    lines += [f"  {column}: a header {' or '.join(map(repr, headers))}" for column, headers in missing.items()]
    return "\n".join(lines) + "\n"


def _folder() -> resources.abc.Traversable:
    return resources.files("crm") / "mappings"
