"""Mixed tables: pandas in, pandas out."""

from unnoise.domains.categorical.table.kinds import Kind, Nominal, Numeric, Ordinal
from unnoise.domains.categorical.table.synthesizer import TableSynthesizer

__all__ = ["Kind", "Nominal", "Numeric", "Ordinal", "TableSynthesizer"]
