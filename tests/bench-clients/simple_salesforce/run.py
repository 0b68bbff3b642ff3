"""Reads a whole org, and later what has changed, with simple-salesforce, one query_all an object.

See ../README.md for what it takes and prints. The client speaks https alone, so an adapter below `requests` takes it to the fake; all
its own code runs unchanged.
"""

import datetime
import json
import os
import pathlib
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceError

FAKE_URL = os.environ["FAKE_URL"]
FIELDS_FILE = pathlib.Path(os.environ["BENCH_FOLDER"], "fields.json")
STAMPS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")
COMPOUND = ("address", "location")


class ToTheFake(HTTPAdapter):
    """Sends requests for any https host to the fake."""

    def send(self, request, *args, **kwargs):
        asked = urlsplit(request.url)
        request.url = FAKE_URL + asked.path + (f"?{asked.query}" if asked.query else "")
        return super().send(request, *args, **kwargs)


session = requests.Session()
session.mount("https://", ToTheFake())
session.trust_env = False  # no proxy between the client and the fake
sf = Salesforce(
    session_id=os.environ["ACCESS_TOKEN"],
    instance_url="https://fake.my.salesforce.com",
    version="62.0",
    session=session,
)
records, deleted, failed = {}, {}, {}


def fields_by_object():
    """Names of all fields of all objects that can be queried; compound ones are left to their parts."""
    found = {}
    for sobject in sf.describe()["sobjects"]:
        if not sobject["queryable"]:
            continue
        described = getattr(sf, sobject["name"]).describe()
        names = [field["name"] for field in described["fields"] if field["type"] not in COMPOUND]
        found[sobject["name"]] = {"fields": names, "replicateable": described["replicateable"]}
    return found


def read(name, query, include_deleted):
    """Counts live rows, and gives the Ids of those in the recycle bin. query_all, but not all rows in memory at once."""
    live, binned = 0, set()
    for row in sf.query_all_iter(query, include_deleted=include_deleted):
        if row.get("IsDeleted"):
            binned.add(row["Id"])
        else:
            live += 1
    records[name] = live
    return binned


def full():
    objects = fields_by_object()
    for name, known in objects.items():
        try:
            read(name, f"SELECT {','.join(known['fields'])} FROM {name}", include_deleted=False)
        except SalesforceError as refusal:
            failed[name] = f"{refusal.status}: {refusal.content}"[:200]
    FIELDS_FILE.write_text(json.dumps({name: objects[name] for name in objects if name not in failed}))


def incremental():
    since = os.environ["BENCH_SINCE"]
    start, end = (datetime.datetime.fromisoformat(os.environ[name]) for name in ("BENCH_SINCE", "BENCH_UNTIL"))
    for name, known in json.loads(FIELDS_FILE.read_text()).items():
        try:
            stamp = next((stamp for stamp in STAMPS if stamp in known["fields"]), None)
            query = f"SELECT {','.join(known['fields'])} FROM {name}" + (f" WHERE {stamp} >= {since}" if stamp else "")
            gone = read(name, query, include_deleted=True)
            if known["replicateable"]:
                answer = getattr(sf, name).deleted(start, end)
                gone.update(record["id"] for record in answer["deletedRecords"])
            deleted[name] = len(gone)
        except SalesforceError as refusal:
            failed[name] = f"{refusal.status}: {refusal.content}"[:200]


full() if os.environ["BENCH_PASS"] == "full" else incremental()
print(json.dumps({"records": records, "deleted": deleted, "failed": failed}))
