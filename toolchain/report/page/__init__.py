"""The report: results of benches, runs and scans as a page, a table or data."""

from .formats import FORMATS, write_report
from .subject import Subject, read_subject

__all__ = ["FORMATS", "Subject", "read_subject", "write_report"]
