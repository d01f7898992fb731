"""Makes what the tests of the scripts beside this one read.

    make_fixtures.py xlsx FILE
    make_fixtures.py parquet FILE
    make_fixtures.py upload DIRECTORY s3://BUCKET/PREFIX ENDPOINT
"""

import datetime
import sys

import openpyxl
import pyarrow
import pyarrow.fs
import pyarrow.parquet


def xlsx(path):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Position"
    sheet.append(["Product", "Assigned", "Enabled", "Since", "Computed"])
    sheet.append(["text", 7, True, datetime.date(2026, 1, 2), "=1+1"])
    sheet["A3"] = "=HYPERLINK(1)"
    # A text, although it looks like a formula.
    sheet["A3"].data_type = "s"
    sheet["C3"] = 2.5
    sheet.freeze_panes = "A2"
    workbook.create_sheet("Empty")
    workbook.save(path)


def parquet(path):
    table = pyarrow.table(
        {
            "key": ["a", "b", None],
            "units": pyarrow.array([1, 2, 3], pyarrow.int64()),
            "at": pyarrow.array([0, 1, None], pyarrow.timestamp("us", tz="UTC")),
        }
    )
    pyarrow.parquet.write_table(table, path)


def upload(directory, where, endpoint):
    scheme, _, host = endpoint.partition("://")
    s3 = pyarrow.fs.S3FileSystem(
        access_key="test", secret_key="test", region="us-east-1", endpoint_override=host, scheme=scheme
    )
    pyarrow.fs.copy_files(directory, where.removeprefix("s3://"), destination_filesystem=s3)


{"xlsx": xlsx, "parquet": parquet, "upload": upload}[sys.argv[1]](*sys.argv[2:])
