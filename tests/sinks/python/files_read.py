"""Prints what pyarrow and DuckDB, each by itself, read in the files of a directory or of an S3 bucket.

    files_read.py DIRECTORY [--no-rows]
    files_read.py s3://BUCKET/PREFIX --endpoint http://127.0.0.1:PORT [--no-rows]

Reads each *.ndjson, *.csv and *.parquet, also with .gz or .zst behind it, and prints JSON:

    {"files": {path: {"pyarrow": {"rows": count, "schema": {column: type}, "data": [row, …]}, "duckdb": {…}}}}

Values that JSON has no type for are texts. DuckDB reads a local copy of what is in S3; pyarrow reads it there. Exits with 1
if one of them can't read a file, or if they count differently.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow.csv
import pyarrow.fs
import pyarrow.json
import pyarrow.parquet

# A row must fit: 2 MB of somebody's name, and more.
BLOCK = 64 * 1024 * 1024


def kind(path):
    suffixes = [suffix for suffix in Path(path).suffixes if suffix not in (".gz", ".zst")]
    return suffixes[-1][1:] if suffixes and suffixes[-1] in (".ndjson", ".csv", ".parquet") else None


def by_pyarrow(files, path):
    if kind(path) == "parquet":
        with files.open_input_file(path) as source:
            return pyarrow.parquet.read_table(source)
    with files.open_input_stream(path) as source:
        if kind(path) == "csv":
            options = pyarrow.csv.ReadOptions(block_size=BLOCK)
            parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
            return pyarrow.csv.read_csv(source, read_options=options, parse_options=parse)
        return pyarrow.json.read_json(source, read_options=pyarrow.json.ReadOptions(block_size=BLOCK))


def by_duckdb(path):
    readers = {
        "parquet": "read_parquet(?)",
        "csv": f"read_csv(?, header = true, max_line_size = {BLOCK})",
        "ndjson": f"read_json(?, format = 'newline_delimited', maximum_object_size = {BLOCK}, sample_size = -1)",
    }
    return duckdb.sql(f"SELECT * FROM {readers[kind(path)]}", params=[str(path)])


def told(rows, schema, data):
    return {"rows": rows, "schema": schema} | ({"data": data} if data is not None else {})


def both(files, path, copy, with_data):
    table = by_pyarrow(files, path)
    relation = by_duckdb(copy)
    columns = dict(zip(relation.columns, map(str, relation.types)))
    rows = relation.fetchall()
    if table.num_rows != len(rows):
        raise ValueError(f"pyarrow reads {table.num_rows} rows, DuckDB {len(rows)}")
    data = (None, None)
    if with_data:
        data = (table.to_pylist(), [dict(zip(columns, row)) for row in rows])
    schema = {field.name: str(field.type) for field in table.schema}
    return {"pyarrow": told(table.num_rows, schema, data[0]), "duckdb": told(len(rows), columns, data[1])}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("where")
    arguments.add_argument("--endpoint")
    arguments.add_argument("--no-rows", action="store_true")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as copy:
        report(arguments, copy)


def report(arguments, copy):
    if arguments.where.startswith("s3://"):
        base = arguments.where.removeprefix("s3://").rstrip("/")
        scheme, _, host = arguments.endpoint.partition("://")
        files = pyarrow.fs.S3FileSystem(
            access_key="test", secret_key="test", region="us-east-1", endpoint_override=host, scheme=scheme
        )
        pyarrow.fs.copy_files(base, copy, source_filesystem=files)
        local = Path(copy)
    else:
        base, local = arguments.where.rstrip("/"), Path(arguments.where)
        files = pyarrow.fs.LocalFileSystem()

    printed, wrong = {}, []
    for each in files.get_file_info(pyarrow.fs.FileSelector(base, recursive=True)):
        if not each.is_file or kind(each.path) is None:
            continue
        name = each.path[len(base) :].lstrip("/")
        try:
            printed[name] = both(files, each.path, local / name, not arguments.no_rows)
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}")
    json.dump({"files": printed}, sys.stdout, default=str)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        sys.exit(1)


main()
