"""Runs tap-salesforce: discovers, selects every stream, syncs, and later syncs again from its state.

See ../README.md for what it takes and prints. It logs in at a fixed https host, so an adapter below `requests` takes those requests to
the fake. Its clock is set to the org's. A tap's messages go to a target; here they are counted, and records are not brought into the
target's form before, which takes a millisecond each. A stream that fails would end the tap: it is named and passed over, as a user
would deselect it. None of this changes what the tap asks Salesforce for.
"""

import contextlib
import datetime
import json
import os
import pathlib
import sys
from urllib.parse import urlsplit

import singer
import singer.utils
import tap_salesforce
import tap_salesforce.salesforce
import tap_salesforce.sync
from requests.adapters import HTTPAdapter

FAKE_URL = os.environ["FAKE_URL"]
FOLDER = pathlib.Path(os.environ["BENCH_FOLDER"])
CONFIG, CATALOG, STATE = (FOLDER / name for name in ("config.json", "catalog.json", "state.json"))
records, deleted, failed = {}, {}, {}
state = {}


class ToTheFake(HTTPAdapter):
    """Sends requests for any https host to the fake."""

    def send(self, request, *args, **kwargs):
        asked = urlsplit(request.url)
        request.url = FAKE_URL + asked.path + (f"?{asked.query}" if asked.query else "")
        return super().send(request, *args, **kwargs)


def with_session_to_the_fake(client):
    """Has every client that the tap makes reach the fake."""
    made = client.__init__

    def make(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.session.mount("https://", ToTheFake())
        self.session.trust_env = False  # no proxy between the tap and the fake

    client.__init__ = make


class AsRead:
    """Stands in for the transformer to the target's form."""

    def __init__(self, **_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def transform(self, record, _):
        return {name: value for name, value in record.items() if name != "attributes"}


def count(message, **_):
    if isinstance(message, singer.RecordMessage):
        counted = deleted if message.record.get("IsDeleted") else records
        counted[message.stream] = counted.get(message.stream, 0) + 1


def keep(latest):
    state.clear()
    state.update(latest)


def passing_over_failures(sync):
    def one(sf, entry, state_so_far):
        records.setdefault(entry["stream"], 0)
        try:
            return sync(sf, entry, state_so_far)
        except Exception as error:  # whatever it is ends the tap
            failed[entry["stream"]] = str(error)[:200]
            return singer.metrics.record_counter(entry["stream"])

    return one


def run(*arguments):
    sys.argv = ["tap-salesforce", "--config", str(CONFIG), *arguments]
    tap_salesforce.main_impl()


def discover():
    with CATALOG.open("w") as catalog, contextlib.redirect_stdout(catalog):
        run("--discover")
    catalog = json.loads(CATALOG.read_text())
    for stream in catalog["streams"]:
        whole = next(entry["metadata"] for entry in stream["metadata"] if entry["breadcrumb"] == [])
        whole["selected"] = True
        for key in whole.get("valid-replication-keys", []):
            whole.update({"replication-method": "INCREMENTAL", "replication-key": key})
    CATALOG.write_text(json.dumps(catalog))


org_now = datetime.datetime.fromisoformat(os.environ["BENCH_UNTIL"])
ahead = org_now - datetime.datetime.now(datetime.timezone.utc)
singer.utils.now = lambda: datetime.datetime.now(datetime.timezone.utc) + ahead
with_session_to_the_fake(tap_salesforce.salesforce.Salesforce)
singer.write_message, singer.write_state, singer.write_schema = count, keep, lambda *_, **__: None
tap_salesforce.sync.Transformer, tap_salesforce.sync.fix_record_anytype = AsRead, lambda record, _: record
tap_salesforce.sync_stream = passing_over_failures(tap_salesforce.sync_stream)

if os.environ["BENCH_PASS"] == "full":
    config = {
        "client_id": os.environ["CLIENT_ID"],
        "client_secret": os.environ["CLIENT_SECRET"],
        "refresh_token": os.environ["REFRESH_TOKEN"],
        "start_date": "1999-01-01T00:00:00Z",
        "api_type": "REST",
        "select_fields_by_default": "true",
        "quota_percent_total": "100",
        "quota_percent_per_run": "100",
    }
    CONFIG.write_text(json.dumps(config))
    discover()
    run("--properties", str(CATALOG))
else:
    run("--properties", str(CATALOG), "--state", str(STATE))
STATE.write_text(json.dumps(state))
print(json.dumps({"records": records, "deleted": deleted, "failed": failed}))
