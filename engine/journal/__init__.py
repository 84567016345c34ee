"""The journal of a movie: its unfiltered poses, durable as they come."""

from engine.journal.reading import JournalContent, JournalCursor, new_journal, read_journal
from engine.journal.rows import JournalRows
from engine.journal.writing import Journal

__all__ = [
    "Journal",
    "JournalContent",
    "JournalCursor",
    "JournalRows",
    "new_journal",
    "read_journal",
]
