"""Prints what openpyxl reads in a workbook, as JSON.

    xlsx_read.py WORKBOOK

    {"sheets": [{"name": …, "frozen": "A2" or null, "rows": [[cell, …], …]}, …]}

A cell is {"value", "type", "formula"} or, where it is empty, null. `type` is one of text, number, boolean, date, error and
formula; of a formula, `value` is its text. That a text begins with "=" makes no formula of it: what the file calls one
is one. `link` is there if the cell has one.
"""

import json
import sys
from datetime import date, datetime, time, timedelta

from openpyxl import load_workbook
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

KINDS = {"s": "text", "inlineStr": "text", "n": "number", "b": "boolean", "d": "date", "e": "error", "f": "formula"}


def cell(read):
    value = read.value
    if value is None:
        return None
    if isinstance(value, (ArrayFormula, DataTableFormula)):
        value = getattr(value, "text", None) or repr(value)
    elif isinstance(value, (date, datetime, time)):
        value = value.isoformat()
    elif isinstance(value, timedelta):
        value = value.total_seconds()
    kind = KINDS[read.data_type]
    told = {"value": value, "type": kind, "formula": kind == "formula"}
    if read.hyperlink is not None:
        told["link"] = read.hyperlink.target
    return told


workbook = load_workbook(sys.argv[1])
sheets = [
    {"name": sheet.title, "frozen": sheet.freeze_panes, "rows": [[cell(each) for each in row] for row in sheet.iter_rows()]}
    for sheet in workbook.worksheets
]
json.dump({"sheets": sheets}, sys.stdout)
