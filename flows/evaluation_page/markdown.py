"""An evaluation's page as Markdown: what fits into an artifact."""

from pathlib import Path

from flows.evaluation_page.model import Page, Table
from flows.evaluation_page.values import best_rows, heading, show
from flows.markdown_text import as_text

LONGEST_TABLE = 50
"""Rows of a table that an artifact shows; the report has them all."""


def page_markdown(page: Page, report: Path) -> str:
    """Warnings, facts and tables, with a link to the report.

    Args:
        page: The evaluation.
        report: The HTML file with the players and charts.
    """
    lines = [f"# {as_text(page.title)}", "", f"[{report.name}]({report.as_uri()})", ""]
    lines += [f"> **Warning:** {as_text(warning)}\n" for warning in page.warnings]
    lines += ["| fact | value |", "|---|---|"]
    lines += [f"| {as_text(name)} | {as_text(value)} |" for name, value in page.facts]
    for section in page.sections:
        lines += ["", f"## {as_text(section.title)}"]
        for table in section.tables:
            lines += ["", *table_markdown(table)]
    return "\n".join(lines)


def table_markdown(table: Table) -> list[str]:
    """One table; the best of a column, and those whose interval overlaps it, in bold."""
    columns = table.columns
    best = [best_rows(table, number) for number in range(len(columns))]
    out = [f"**{as_text(table.title)}**", ""]
    out.append("| " + " | ".join(as_text(heading(column)) for column in columns) + " |")
    out.append("|" + "".join("---|" for _ in columns))
    for row_number, row in enumerate(table.rows[:LONGEST_TABLE]):
        cells = [
            _cell(show(value, column.digits).whole, row_number in best[number])
            for number, (value, column) in enumerate(zip(row, columns, strict=True))
        ]
        out.append("| " + " | ".join(cells) + " |")
    if len(table.rows) > LONGEST_TABLE:
        out.append(f"\n{len(table.rows)} rows, the first {LONGEST_TABLE} shown.")
    if table.note:
        out.append(f"\n{as_text(table.note)}")
    return out


def _cell(text: str, is_best: bool) -> str:
    return f"**{as_text(text)}**" if is_best else as_text(text)
