"""Taking a CRM export into the store: all of it or nothing, and the same export twice changes nothing."""

from __future__ import annotations

from crm.importing.report import ColumnReport, FileReport, ImportReport, TableReport
from crm.importing.run import import_export

__all__ = ["ColumnReport", "FileReport", "ImportReport", "TableReport", "import_export"]
