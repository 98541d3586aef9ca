"""A page's table as aligned text, for a terminal."""

from flows.evaluation_page.model import Table
from flows.evaluation_page.values import heading, show


def table_text(table: Table) -> list[str]:
    """Title, headings, rows and note; the values as the page shows them."""
    cells = [[heading(column) for column in table.columns]]
    for row in table.rows:
        pairs = zip(row, table.columns, strict=True)
        cells.append([show(value, column.digits).whole for value, column in pairs])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return [table.title, *lines, *([table.note] if table.note else [])]
