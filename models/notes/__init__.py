"""What can be said of a loss or win note without a model: cleaned and masked, its language, its parts, its rivals.

Everything here reads text as data, in time that grows in proportion to its length, and raises on no text.
"""

from models.notes.clauses import Clause, clauses
from models.notes.cleaning import Cleaned, Cleaner, clean, repeated_lines
from models.notes.gate import junk_reason
from models.notes.language import language_of
from models.notes.names import Mention
from models.notes.rivals import RivalFinder, rivals_in

__all__ = ["Clause", "Cleaned", "Cleaner", "Mention", "RivalFinder", "clauses", "clean", "junk_reason", "language_of",
           "repeated_lines", "rivals_in"]  # fmt: skip
