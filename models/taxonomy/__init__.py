"""Why deals are lost and won: the reasons, one file for each kind, which a company edits in a copy of its own."""

from models.taxonomy.parsing import BUILT_IN, default_taxonomy, load_taxonomy, parse_taxonomy, read_taxonomy_text
from models.taxonomy.reasons import UNCLEAR, Reason, Taxonomy, plain
from models.taxonomy.writing import to_toml

__all__ = [
    "BUILT_IN", "UNCLEAR", "Reason", "Taxonomy", "default_taxonomy", "load_taxonomy", "parse_taxonomy", "plain",
    "read_taxonomy_text", "to_toml",
]  # fmt: skip
