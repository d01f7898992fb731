"""Loads a package for FlexNet Manager Suite as its inventory adapters take it, and prints the tables that it makes.

    flexnet_loader.py PACKAGE [--database FILE]

PACKAGE is a directory with one file for each object of Flexera's Inventory Adapter Studio object model:

    SoftwareLicense.csv
        ExternalLicenseID  bigint, key
        LicenseName        at most 256 characters
        PartNo             at most 100
        EntitlementCount   int
        ExpiryDate         date or date and time, ISO 8601
        IsSubscription     bit, 0 where nothing is said
        SoftwareLicenseTypeID  int
    User.csv
        ExternalID         bigint, key
        SAMAccountName     at most 64
        Domain             at most 100
        Email              at most 200
        EmployeeNumber     at most 128
        FirstName          at most 128
        LastName           no length is documented
        InventoryAgent     at most 64
        CostCenter         at most 128
        IsBlacklisted      bit, 0 where nothing is said
    SoftwareLicenseAllocation.csv
        ExternalLicenseID  bigint, key together with
        ExternalUserID     bigint

Files are CSV after RFC 4180: comma, double quotes, a line of column names first, CRLF or LF; UTF-8, with or without a
byte order mark. Columns may come in any order, others than these are an error, and a key must be there. An empty field is
null. Lengths are counted in UTF-16, as nvarchar counts.

Rows are merged by key, all of a package or, if one row is wrong, none. A key that is null, no bigint or twice in a
file is an error (Flexera: "may cause data loss through over-writing"), and so is an allocation of a licence or a user
that is not there. With --database the tables outlive the run; without it they are empty at first.

Prints a JSON object with the rows of the three tables by key, and under `absent` the keys that the tables hold and the
package does not. Errors go to standard error, a line each; the exit code is 1 then. Standard library only.
"""

import argparse
import csv
import io
import json
import re
import sqlite3
import sys
from datetime import datetime
from pathlib import Path


class Wrong(Exception):
    """What is wrong with a field."""


def integer(bits):
    def read(text):
        if not re.fullmatch(r"-?[0-9]+", text):
            raise Wrong("is no whole number")
        number = int(text)
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise Wrong(f"does not fit {bits} bits")
        return number

    return read


def characters(longest=None):
    def read(text):
        length = len(text.encode("utf-16-le")) // 2
        if longest is not None and length > longest:
            raise Wrong(f"has {length} characters, {longest} fit")
        if "\0" in text:
            raise Wrong("has a null character")
        return text

    return read


def bit(text):
    try:
        return {"0": 0, "1": 1, "false": 0, "true": 1}[text.lower()]
    except KeyError:
        raise Wrong("is no bit: 0 or 1") from None


def moment(text):
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Wrong("is no date: YYYY-MM-DD")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Wrong("is no date: YYYY-MM-DD") from None
    return text


BIGINT, INT = integer(64), integer(32)
# table: (its key, its columns)
TABLES = {
    "SoftwareLicense": (
        ["ExternalLicenseID"],
        {
            "ExternalLicenseID": BIGINT,
            "LicenseName": characters(256),
            "PartNo": characters(100),
            "EntitlementCount": INT,
            "ExpiryDate": moment,
            "IsSubscription": bit,
            "SoftwareLicenseTypeID": INT,
        },
    ),
    "User": (
        ["ExternalID"],
        {
            "ExternalID": BIGINT,
            "SAMAccountName": characters(64),
            "Domain": characters(100),
            "Email": characters(200),
            "EmployeeNumber": characters(128),
            "FirstName": characters(128),
            "LastName": characters(),
            "InventoryAgent": characters(64),
            "CostCenter": characters(128),
            "IsBlacklisted": bit,
        },
    ),
    "SoftwareLicenseAllocation": (
        ["ExternalLicenseID", "ExternalUserID"],
        {"ExternalLicenseID": BIGINT, "ExternalUserID": BIGINT},
    ),
}
REFERENCES = {"ExternalLicenseID": "SoftwareLicense", "ExternalUserID": "User"}


def make_tables(database):
    for table, (key, columns) in TABLES.items():
        lines = []
        for name, kind in columns.items():
            affinity = "INTEGER" if kind in (BIGINT, INT, bit) else "TEXT"
            default = " NOT NULL DEFAULT 0" if kind is bit else ""
            lines.append(f'"{name}" {affinity}{default}')
        lines.append(f'PRIMARY KEY ({", ".join(key)})')
        database.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({", ".join(lines)}) WITHOUT ROWID')


def read(package, table, errors):
    """The rows of a file, each as a dictionary of what it says; what is wrong goes to `errors`."""
    key, columns = TABLES[table]
    file = package / f"{table}.csv"
    found = {}
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        errors.append(f"{file.name}: is missing")
        return found
    except UnicodeDecodeError as error:
        errors.append(f"{file.name}: byte {error.start} is no UTF-8")
        return found
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        names = [name for name in header if name not in columns]
        names += [name for name in set(header) if header.count(name) > 1]
        names += [name for name in key if name not in header]
        if names:
            errors.append(f"{file.name}: line 1: unknown, twice or missing: {', '.join(sorted(set(names)))}")
            return found
        for fields in lines:
            row(file.name, lines.line_num, dict_of(header, fields), key, columns, found, errors)
    except csv.Error as error:
        errors.append(f"{file.name}: line {lines.line_num}: {error}")
    return found


def dict_of(header, fields):
    return dict(zip(header, fields)) if len(header) == len(fields) else None


def row(file, line, fields, key, columns, found, errors):
    if fields is None:
        errors.append(f"{file}: line {line}: has not as many fields as line 1")
        return
    values = {}
    for name, text in fields.items():
        if text == "":
            if name in key:
                errors.append(f"{file}: line {line}: {name}: a key is null")
                return
            values[name] = 0 if columns[name] is bit else None
            continue
        try:
            values[name] = columns[name](text)
        except Wrong as wrong:
            errors.append(f"{file}: line {line}: {name}: {wrong}")
            return
    identity = tuple(values[name] for name in key)
    if identity in found:
        errors.append(f"{file}: line {line}: the key {', '.join(map(str, identity))} is there twice")
        return
    found[identity] = values


def merge(database, table, rows):
    key = TABLES[table][0]
    for values in rows.values():
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        others = [f'"{name}" = excluded."{name}"' for name in values if name not in key]
        then = f"DO UPDATE SET {', '.join(others)}" if others else "DO NOTHING"
        database.execute(
            f'INSERT INTO "{table}" ({names}) VALUES ({marks}) ON CONFLICT ({", ".join(key)}) {then}',
            list(values.values()),
        )


def dangling(database, errors):
    for name, table in REFERENCES.items():
        key = TABLES[table][0][0]
        query = f'SELECT "{name}" FROM SoftwareLicenseAllocation WHERE "{name}" NOT IN (SELECT "{key}" FROM "{table}")'
        for (number,) in database.execute(query):
            errors.append(f"SoftwareLicenseAllocation.csv: {name} {number}: no {table} has this key")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("package", type=Path)
    arguments.add_argument("--database", default=":memory:")
    arguments = arguments.parse_args()

    errors, package = [], {}
    for table in TABLES:
        package[table] = read(arguments.package, table, errors)
    database = sqlite3.connect(arguments.database, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("BEGIN")
    make_tables(database)
    for table, rows in package.items():
        merge(database, table, rows)
    dangling(database, errors)
    if errors:
        database.execute("ROLLBACK")
        print("\n".join(errors), file=sys.stderr)
        sys.exit(1)
    database.execute("COMMIT")

    printed, absent = {}, {}
    for table, (key, _) in TABLES.items():
        rows = database.execute(f'SELECT * FROM "{table}" ORDER BY {", ".join(key)}')
        printed[table] = [dict(values) for values in rows]
        identities = (tuple(values[name] for name in key) for values in printed[table])
        absent[table] = [list(each) for each in identities if each not in package[table]]
    json.dump(printed | {"absent": absent}, sys.stdout)


main()
