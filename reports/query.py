"""A query of the catalog that runs with its names bound and can be shown to a reader, who can run it as it stands.

Here: one small type. Not here: the queries themselves, which stand beside the charts and pages that they feed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import polars as pl


@dataclass(frozen=True)
class Query:
    """SQL with named parameters (`$family`): values reach DuckDB bound, never pasted in.

    Attributes:
        sql: one SELECT; its ORDER BY makes the rows' order, and with it the page's bytes, the same every time.
        parameters: text by name, without the dollar sign.
    """

    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def frame(self, catalog: duckdb.DuckDBPyConnection) -> pl.DataFrame:
        """All rows."""
        return catalog.sql(self.sql, params=dict(self.parameters)).pl()

    def rows(self, catalog: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        """All rows as mappings by column name."""
        return self.frame(catalog).to_dicts()

    def shown(self) -> str:
        """The same query with its values written in as SQL literals: what a reader can paste into a SQL prompt."""

        def literal(name: re.Match[str]) -> str:
            value = self.parameters.get(name[1])
            return name[0] if value is None else "'" + value.replace("'", "''") + "'"

        return re.sub(r"\$([a-z_]+)\b", literal, self.sql).strip() + ";"
