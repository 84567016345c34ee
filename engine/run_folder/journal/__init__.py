"""The journal of a movie: its unfiltered poses, durable as they come."""

from engine.run_folder.journal.reading import (
    JournalContent,
    JournalCursor,
    new_journal,
    read_journal,
)
from engine.run_folder.journal.rows import JournalRows
from engine.run_folder.journal.writing import Journal

__all__ = [
    "Journal",
    "JournalContent",
    "JournalCursor",
    "JournalRows",
    "new_journal",
    "read_journal",
]
