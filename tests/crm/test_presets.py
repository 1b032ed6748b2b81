"""Exports as the usual CRMs write them: recognised by their headers, and read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm.errors import MappingError
from crm.importing import ImportReport, import_export
from crm.mapping import recognise
from crm.store import Store

Rows = Callable[..., list[dict[str, Any]]]
Folder = Callable[[dict[str, str | bytes]], Path]

SALESFORCE: dict[str, str | bytes] = {
    "Opportunity.csv": (
        "Id,IsDeleted,AccountId,Name,StageName,Amount,Probability,CloseDate,Type,LeadSource,IsClosed,IsWon,OwnerId,"
        "CreatedDate,Budget_Confirmed__c\n"
        "0061,0,0011,Big,Gewonnen,1200.0,100,2024-03-01,New,Web,1,1,0051,2024-01-01 10:00:00,1\n"
        "0062,0,0011,Small,Verloren,1.2E7,0,2024-03-02,New,Web,1,0,0051,2024-01-01 10:00:00,0\n"
        "0063,0,0012,Open,Proposal,,50,2024-09-01,New,Web,0,0,0052,2024-02-01 10:00:00,0\n"
        "0064,1,0012,Gone,Proposal,,50,2024-09-01,New,Web,0,0,0052,2024-02-01 10:00:00,0\n"
    ),
    "OpportunityHistory.csv": (
        "Id,OpportunityId,CreatedById,CreatedDate,StageName,Amount,CloseDate,IsDeleted\n"
        "h1,0061,0051,2024-01-01 10:00:00,Qualification,,2024-02-01,0\n"
        "h2,0061,0051,2024-01-05 10:00:00,Qualification,1200,2024-03-01,0\n"
        "h3,0061,0051,2024-03-01 10:00:00,Gewonnen,1200,2024-03-01,0\n"
        "h4,0099,0051,2024-03-01 10:00:00,Gewonnen,1200,2024-03-01,0\n"
    ),
    "OpportunityFieldHistory.csv": (
        "Id,OpportunityId,CreatedById,CreatedDate,Field,OldValue,NewValue\n"
        "f1,0061,0051,2024-01-05 10:00:00,Amount,,1200\n"
        "f2,0061,0051,2024-01-05 10:00:00,CloseDate,2024-02-01,2024-03-01\n"
    ),
    "Task.csv": (
        "Id,WhoId,WhatId,Subject,ActivityDate,Status,OwnerId,TaskSubtype,CallType,CreatedDate\n"
        "00T1,0031,0061,Call,2024-01-03,Completed,0051,Call,Inbound,2024-01-02 10:00:00\n"
        "00T2,0031,0011,Account,2024-01-03,Completed,0051,Email,,2024-01-02 10:00:00\n"
    ),
    "Event.csv": (
        "Id,WhoId,WhatId,Subject,ActivityDateTime,OwnerId,EventSubtype\n"
        "00U1,0031,0061,Demo,2024-01-04 09:00:00,0051,Event\n"
    ),
    "OpportunityContactRole.csv": (
        "Id,OpportunityId,ContactId,Role,IsPrimary,CreatedDate\n00K1,0061,0031,Decision Maker,1,2024-01-02 10:00:00\n"
    ),
    "OpportunityLineItem.csv": (
        "Id,OpportunityId,Product2Id,Quantity,TotalPrice,CreatedDate\n00l1,0061,01t1,2,1200,2024-01-05 10:00:00\n"
    ),
    "Account.csv": "Id,Name,Industry,BillingCountry,NumberOfEmployees\n0011,Acme,Energy,DE,50\n0012,Foo,,,\n",
    "User.csv": "Id,Name,Department,ManagerId\n0051,Ann,East,0052\n0052,Bob,East,\n",
}


@pytest.fixture
def take(folder: Folder, store: Store) -> Callable[[dict[str, str | bytes]], ImportReport]:
    def run(files: dict[str, str | bytes]) -> ImportReport:
        path = folder(files)
        return import_export([path], recognise(path), store, imported_at=datetime(2024, 6, 1, tzinfo=UTC))

    return run


def test_salesforce_data_export(take: Callable[..., ImportReport], rows: Rows, store: Store) -> None:
    report = take(SALESFORCE)
    assert report.mapping == "salesforce"
    assert [(row["opportunity_id"], row.get("outcome"), row.get("amount")) for row in rows()] == [
        ("0061", "won", 1200.0), ("0062", "lost", 12000000.0), ("0063", None, None),
    ]  # fmt: skip
    assert rows()[2]["expected_close_at"] == "2024-09-01T00:00:00+00:00"
    stages = sorted((row["changed_at"][:10], row.get("from_stage"), row["to_stage"]) for row in rows("stage_changes"))
    assert stages == [("2024-01-01", None, "Qualification"), ("2024-03-01", "Qualification", "Gewonnen")]
    assert {row["field"]: row["new_value"] for row in rows("field_changes")} == {
        "amount": "1200.00", "expected_close_at": "2024-03-01T00:00:00+00:00",
    }  # fmt: skip
    assert sorted((row["type"], row.get("direction")) for row in rows("activities")) == [
        ("call", "inbound"), ("meeting", None),
    ]  # fmt: skip
    assert rows("contact_roles")[0]["role"] == "Decision Maker"
    assert rows("deal_products")[0]["amount"] == 1200.0
    assert rows("accounts")[0]["employees"] == 50.0
    assert rows("users")[0]["team"] == "East"
    data = store.load()
    known = {name: data.known("opportunities", name) for name in ("amount", "stage", "owner_id", "expected_close_at")}
    assert known == {"amount": "history", "stage": "history", "owner_id": "closed", "expected_close_at": "history"}
    assert (data.process.won_stages, data.process.lost_stages) == ((), ())
    assert next(file for file in report.files if file.name == "Opportunity.csv").left_out == ("Budget_Confirmed__c",)


def test_salesforce_report_with_labels_and_local_dates(take: Callable[..., ImportReport], rows: Rows) -> None:
    report = take(
        {
            "report1717171717.csv": (
                "Opportunity Name,Stage,Amount,Close Date,Created Date,Opportunity Owner,Opportunity ID,Lead Source\n"
                "Big,Closed Won,5,3/31/2024,1/15/2024,Ann,0061,Web\nOpen,Demo,,9/30/2024,2/1/2024,Bob,0062,\n"
            )
        }
    )
    assert report.mapping == "salesforce"
    assert rows()[0]["closed_at"] == "2024-03-31T00:00:00+00:00"
    assert any(warning.startswith("Dates such as '1/15/2024' are read by the formats") for warning in report.warnings)


def test_hubspot(take: Callable[..., ImportReport], rows: Rows) -> None:
    report = take(
        {
            "hubspot-crm-exports-all-deals-2024-05-31.csv": (
                "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Create Date,Pipeline,Closed Lost Reason,"
                "Associated Company IDs\n"
                "11,Big,Closed won,2024-03-01 09:12,Ann,500,2024-01-01 10:00,Sales,,77\n"
                "12,No,Closed lost,2024-03-02 09:12,Ann,,2024-01-01 10:00,Sales,Price,77\n"
                "13,New,Contract sent,2024-08-01 09:12,Ann,,2024-05-01 10:00,Sales,,\n"
            ),
            "hubspot-crm-exports-all-companies-2024-05-31.csv": "Record ID,Company name,Industry\n77,Acme,Energy\n",
            "hubspot-crm-exports-calls-2024-05-31.csv": (
                "Record ID,Activity date,Call direction,Associated Deal IDs,Activity assigned to\n"
                "1,2024-02-01 10:00,Inbound,11,Ann\n2,2024-02-01 10:00,Outbound,,Ann\n"
            ),
            "hubspot-crm-exports-emails-2024-05-31.csv": (
                "Record ID,Activity date,Email direction,Associated Deal IDs\n3,2024-02-02 10:00,INCOMING_EMAIL,12\n"
            ),
        }
    )
    assert report.mapping == "hubspot"
    assert [(row["opportunity_id"], row.get("outcome"), row.get("loss_reason")) for row in rows()] == [
        ("11", "won", None), ("12", "lost", "Price"), ("13", None, None),
    ]  # fmt: skip
    assert sorted((row["type"], row["direction"]) for row in rows("activities")) == [
        ("call", "inbound"), ("email", "inbound"),
    ]  # fmt: skip
    assert rows("accounts")[0] == {"account_id": "77", "name": "Acme", "industry": "Energy"}


def test_dynamics(take: Callable[..., ImportReport], rows: Rows) -> None:
    report = take(
        {
            "All Opportunities 5-31-2024.csv": (
                "(Do Not Modify) Opportunity,(Do Not Modify) Row Checksum,Topic,Status,Status Reason,Est. Revenue,"
                "Est. Close Date,Actual Close Date,Created On,Owner,Account\n"
                'g1,x,Big,Won,Won,"$1,200.50",2/28/2024,3/1/2024,1/15/2024 9:30 AM,Ann,Acme\n'
                'g2,x,No,Lost,Canceled,"$5.00",2/28/2024,3/2/2024,1/15/2024 9:30 PM,Ann,Acme\n'
                "g3,x,New,Open,In Progress,,9/30/2024,,5/15/2024 9:30 AM,Ann,Acme\n"
            ),
            "activitypointers.csv": (
                "activityid,activitytypecode,_regardingobjectid_value,actualend,createdon\n"
                "a1,phonecall,g1,2024-02-01T10:00:00Z,2024-02-01T09:00:00Z\n"
                "a2,appointment,somethingelse,2024-02-01T10:00:00Z,2024-02-01T09:00:00Z\n"
            ),
        }
    )
    assert report.mapping == "dynamics"
    first, second, third = rows()
    assert (first["outcome"], first["amount"], first["created_at"]) == ("won", 1200.5, "2024-01-15T09:30:00+00:00")
    assert (second["created_at"], second["loss_reason"]) == ("2024-01-15T21:30:00+00:00", "Canceled")
    assert "expected_close_at" not in first
    assert third["expected_close_at"] == "2024-09-30T00:00:00+00:00"
    assert [row["type"] for row in rows("activities")] == ["call"]


def test_pipedrive(take: Callable[..., ImportReport], rows: Rows) -> None:
    report = take(
        {
            "deals-1234.csv": (
                "Deal - ID,Deal - Title,Deal - Value,Deal - Status,Deal - Stage,Deal - Deal created,"
                "Deal - Deal closed on,Deal - Expected close date,Deal - Lost reason,Deal - Owner,Deal - Organization\n"
                "1,Big,500,Won,Offer,2024-01-01 10:00:00,2024-03-01 10:00:00,2024-02-15,,Ann,Acme\n"
                "2,No,,Lost,Offer,2024-01-01 10:00:00,2024-03-02 10:00:00,,Price,Ann,Acme\n"
                "3,New,,Open,Lead in,2024-05-01 10:00:00,,2024-07-15,,Ann,Acme\n"
                "4,Gone,,Deleted,Lead in,2024-05-01 10:00:00,,,,Ann,Acme\n"
            ),
            "activities-1234.csv": (
                "Activity - ID,Activity - Type,Activity - Deal ID,Activity - Due date,Activity - Assigned to user\n"
                "7,Lunch,1,2024-02-01,Ann\n8,Call,,2024-02-01,Ann\n"
            ),
        }
    )
    assert report.mapping == "pipedrive"
    assert [(row["opportunity_id"], row.get("outcome"), row["stage"]) for row in rows()] == [
        ("1", "won", "Offer"), ("2", "lost", "Offer"), ("3", None, "Lead in"),
    ]  # fmt: skip
    assert [(row["opportunity_id"], row["type"]) for row in rows("activities")] == [("1", "meeting")]


def test_headers_that_fit_nothing_are_listed(folder: Folder) -> None:
    path = folder({"sales.csv": "Nummer;Angelegt;Kunde\n1;2;3\n"})
    with pytest.raises(MappingError) as caught:
        recognise(path)
    assert (
        "(dynamics, hubspot, pipedrive, salesforce, wonlost) fits these headers:\n  sales.csv: Nummer, Angelegt, Kunde"
        in str(caught.value)
    )
    assert str(caught.value).endswith("wonlost mapping suggest PATH")
    assert "Nearest" not in str(caught.value)


def test_the_nearest_mapping_is_named_with_what_the_export_lacks(folder: Folder) -> None:
    deals = "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Entered\n1,Big,Closed won,2024-03-01,Ann,5,x\n"
    companies = "Record ID,Company name,Create Date\n1,Acme,2024-01-01\n"
    with pytest.raises(MappingError) as caught:
        recognise(folder({"export-deals.csv": deals, "export-companies.csv": companies}))
    lines = str(caught.value).splitlines()
    assert lines[-3:-1] == [
        "Nearest is 'hubspot'; to be its deals, export-deals.csv lacks",
        "  created_at: a header 'Create Date' or 'createdate'",
    ]


def test_a_file_of_deals_with_the_name_of_another_table_is_pointed_out(folder: Folder) -> None:
    deals = "ID,Title,Deal created,Deal closed on,Status,Stage\n1,Big,2024-01-01,2024-03-01,Won,Offer\n"
    with pytest.raises(MappingError) as caught:
        recognise(folder({"products.csv": deals}))
    assert (
        "Nearest is 'pipedrive': products.csv has the headers of its deals, but not a name such as 'deals*' or 'deal'"
        in str(caught.value)
    )
