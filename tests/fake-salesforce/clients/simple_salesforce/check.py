"""Runs simple-salesforce, a client written for the real Salesforce, against the fake.

Takes from the environment: FAKE_URL, ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET. Ends with an error at the first difference.
The client speaks https to *.salesforce.com alone, so an adapter below `requests` sends whatever it asks for to the fake; all its own
code, log-in too, runs unchanged.
"""

import csv
import io
import os
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

FAKE_URL = os.environ["FAKE_URL"]
VERSION = "62.0"


class ToTheFake(HTTPAdapter):
    """Sends requests for any https host to the fake."""

    def send(self, request, *args, **kwargs):
        asked = urlsplit(request.url)
        request.url = FAKE_URL + asked.path + (f"?{asked.query}" if asked.query else "")
        return super().send(request, *args, **kwargs)


def session():
    made = requests.Session()
    made.mount("https://", ToTheFake())
    made.trust_env = False  # no proxy between the client and the fake
    return made


def promise(name):
    """Runs the function at once and says that it held."""

    def run(check):
        check()
        print(f"ok - {name}", flush=True)

    return run


def refused(error, what, *args, **kwargs):
    try:
        what(*args, **kwargs)
    except error as refusal:
        return refusal
    raise AssertionError(f"{what} was not refused")


sf = Salesforce(
    session_id=os.environ["ACCESS_TOKEN"],
    instance_url="https://fake.my.salesforce.com",
    version=VERSION,
    session=session(),
)


@promise("describe global and describe")
def _():
    names = [sobject["name"] for sobject in sf.describe()["sobjects"]]
    assert len(names) > 30 and "Account" in names
    fields = {field["name"]: field for field in sf.Contact.describe()["fields"]}
    assert fields["LastName"]["nillable"] is False
    assert fields["AccountId"]["referenceTo"] == ["Account"]
    assert len(fields["Email"]) == 57


@promise("query_all follows every page and gives each row once")
def _():
    total = sf.query("SELECT COUNT() FROM Contact")["totalSize"]
    first = sf.query("SELECT Id FROM Contact")
    assert total > 4000 and first["totalSize"] == total and not first["done"]
    rows = sf.query_all("SELECT Id, Name, Owner.Name FROM Contact")["records"]
    assert len({row["Id"] for row in rows}) == total
    assert all(row["Owner"]["Name"] for row in rows)
    with_deleted = sf.query_all("SELECT Id FROM Contact", include_deleted=True)["records"]
    assert len(with_deleted) > total


@promise("a bulk query gives each row once, page by page")
def _():
    soql = "SELECT Id, Name, Description FROM Contact"
    rows = {}
    pages = 0
    for page in sf.bulk2.Contact.query(soql, max_records=1500, wait=0):
        pages += 1
        for row in csv.DictReader(io.StringIO(page, newline="")):
            assert row["Id"] not in rows
            rows[row["Id"]] = row
    records = sf.query_all(soql)["records"]
    assert pages == 3 and len(rows) == len(records)
    for record in records:
        row = rows[record["Id"]]
        assert row["Name"] == record["Name"] and row["Description"] == (record["Description"] or "")


@promise("bulk ingest writes each row once and tells ids and errors")
def _():
    records = [{"Name": f"Bulk {n}", "ProductCode": f"S-{n}"} for n in range(300)]
    records[7] = {"Name": "", "ProductCode": "S-7"}
    (told,) = sf.bulk2.Product2.insert(records=records, wait=0)
    assert (int(told["numberRecordsProcessed"]), int(told["numberRecordsFailed"])) == (300, 1), told
    good = list(csv.DictReader(io.StringIO(sf.bulk2.Product2.get_successful_records(told["job_id"]), newline="")))
    assert len(good) == 299 and all(row["sf__Created"] == "true" for row in good)
    assert [row["ProductCode"] for row in good] != sorted(row["ProductCode"] for row in good)
    row = sf.Product2.get(good[0]["sf__Id"])
    assert row["ProductCode"] == good[0]["ProductCode"]
    (bad,) = csv.DictReader(io.StringIO(sf.bulk2.Product2.get_failed_records(told["job_id"]), newline=""))
    assert bad["ProductCode"] == "S-7" and bad["sf__Error"].startswith("REQUIRED_FIELD_MISSING:")
    (told,) = sf.bulk2.Product2.delete(records=[{"Id": row["Id"]}], wait=0)
    assert int(told["numberRecordsFailed"]) == 0
    refused(SalesforceResourceNotFound, sf.Product2.get, row["Id"])


@promise("api_usage rises by one with each request, composite being one")
def _():
    sf.query("SELECT Id FROM Organization")
    before = sf.api_usage["api-usage"]
    base = f"/services/data/v{VERSION}"
    requests_ = [
        {"method": "GET", "referenceId": "page", "url": f"{base}/query/?q=SELECT+Id+FROM+Account+ORDER+BY+Id+LIMIT+2"},
        {"method": "GET", "referenceId": "row", "url": f"{base}/sobjects/Account/@{{page.records[0].Id}}"},
    ]
    answer = sf.restful("composite", method="POST", json={"allOrNone": False, "compositeRequest": requests_})
    page, row = answer["compositeResponse"]
    assert row["body"]["Id"] == page["body"]["records"][0]["Id"]
    after = sf.api_usage["api-usage"]
    assert (after.used, after.total) == (before.used + 1, before.total)
    assert sf.limits()["DailyApiRequests"]["Max"] == after.total


@promise("one record is created, read, changed, upserted and deleted")
def _():
    made = sf.Account.create({"Name": "Ny kunde", "BillingCity": "Århus"})
    key = made["id"]
    assert made["success"] and sf.Account.get(key)["BillingAddress"]["city"] == "Århus"
    assert sf.Account.update(key, {"Legacy_Key__c": "theirs"}) == 204
    assert sf.Account.upsert("Legacy_Key__c/theirs", {"Phone": "1"}) in (200, 204)
    assert sf.Account.get_by_custom_id("Legacy_Key__c", "theirs")["Phone"] == "1"
    assert sf.Account.delete(key) == 204
    refused(SalesforceResourceNotFound, sf.Account.get, key)
    missing = refused(SalesforceMalformedRequest, sf.Account.create, {"Phone": "1"})
    assert missing.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert missing.content[0]["fields"] == ["Name"]


@promise("collections answer in order")
def _():
    records = [{"attributes": {"type": "Product2"}, "Name": f"P{n}"} for n in range(200)]
    results = sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": records})
    assert len(results) == 200 and all(result["success"] for result in results)
    ids = [result["id"] for result in results]
    rows = sf.restful("composite/sobjects/Product2", method="POST", json={"ids": ids, "fields": ["Id", "Name"]})
    assert [row["Name"] for row in rows] == [f"P{n}" for n in range(200)]
    gone = sf.restful("composite/sobjects", method="DELETE", params={"ids": ",".join(ids[:200]), "allOrNone": "false"})
    assert all(result["success"] for result in gone)


@promise("a body is read byte by byte as long as its length says")
def _():
    row = sf.query("SELECT Id, BodyLength, Body FROM Attachment WHERE BodyLength > 0 LIMIT 1")["records"][0]
    body = sf.session.get("https://fake.my.salesforce.com" + row["Body"], headers=sf.headers)
    assert len(body.content) == row["BodyLength"]


@promise("client credentials log in through its own code")
def _():
    logged_in = Salesforce(
        consumer_key=os.environ["CLIENT_ID"],
        consumer_secret=os.environ["CLIENT_SECRET"],
        domain="fake.my",
        version=VERSION,
        session=session(),
    )
    assert logged_in.query("SELECT Id FROM Organization")["totalSize"] == 1
    refused(
        SalesforceAuthenticationFailed,
        Salesforce,
        consumer_key=os.environ["CLIENT_ID"],
        consumer_secret="wrong",
        domain="fake.my",
        session=session(),
    )
