"""Past tenders as publishers of OCDS write them: small packages made by hand, after the habits of each.

Ukraine publishes the bids that an electronic auction ended with, and an award for everybody who was examined;
Moldova compiled records, whose releases are links, and lots named by UUIDs; Nigeria a release for each stage;
Paraguay guaraníes, which have no decimals.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

Json = dict[str, Any]

EXTENSIONS = [
    f"https://raw.githubusercontent.com/open-contracting-extensions/ocds_{name}_extension/v1.1.5/extension.json"
    for name in ("bid", "lots")
]
ROADS, SCHOOLS = "0a3d9b06-5c8e-4a3e-9d15-0c6b4f1f8a11", "7be2f3c4-1c67-4a0c-8f2e-52d7c1a9e002"


def party(id: str, name: str, *roles: str) -> Json:
    """An organisation as `parties` has it."""
    return {"id": id, "name": name, "roles": list(roles)}


def value(amount: float, currency: str) -> Json:
    return {"amount": amount, "currency": currency}


def bid(id: str, bidder: str, amount: float, currency: str, status: str = "valid", **more: Any) -> Json:
    return {
        "id": id,
        "date": "2025-03-03T09:00:00+02:00",
        "status": status,
        "tenderers": [{"id": bidder}],
        "value": value(amount, currency),
        **more,
    }


def release(ocid: str, tag: str, date: str, **sections: Any) -> Json:
    return {
        "ocid": ocid,
        "id": f"{ocid}-{tag}",
        "date": date,
        "tag": [tag],
        "initiationType": "tender",
        **sections,
    }


def package(publisher: str, **content: Any) -> Json:
    return {
        "uri": "https://example.org/ocds/package.json",
        "version": "1.1",
        "extensions": EXTENSIONS,
        "publishedDate": "2025-06-01T00:00:00Z",
        "publisher": {"name": publisher},
        **content,
    }


def ukraine() -> Json:
    """One lot that is not called one. The lowest bidder was refused, so the second was awarded."""
    names = {"31234567": "ТОВ «Будсервіс»", "32345678": "ТОВ «Дорожник»", "33456789": "ПП «Шлях»"}
    tender = {
        "id": "UA-2025-02-10-004711-a",
        "title": "Поточний ремонт\tдороги",
        "status": "complete",
        "awardCriteria": "lowestCost",
        "submissionMethod": ["electronicAuction"],
        "value": value(500000.0, "UAH"),
        "procuringEntity": {"id": "UA-EDR-04051234", "name": "Сільська рада"},
        "items": [
            {
                "id": "c1f0",
                "description": "Ремонт дороги",
                "classification": {"scheme": "CPV", "id": "45233142-6", "description": "Roads"},
                "quantity": 1.5,
                "unit": {"name": "км"},
            }
        ],
    }
    bids = [
        bid("b1", "UA-EDR-31234567", 441000.5, "UAH"),
        bid("b2", "UA-EDR-32345678", 455000.0, "UAH"),
        bid("b3", "UA-EDR-33456789", 499999.99, "UAH", "pending"),
    ]
    awards = [
        {
            "id": "a1",
            "status": "unsuccessful",
            "description": "Не надано забезпечення",
            "value": value(441000.5, "UAH"),
            "suppliers": [{"id": "UA-EDR-31234567"}],
            "relatedBid": "b1",
        },
        {
            "id": "a2",
            "status": "active",
            "value": value(455000.0, "UAH"),
            "suppliers": [{"id": "UA-EDR-32345678"}],
            "relatedBid": "b2",
        },
    ]
    parties = [party(f"UA-EDR-{code}", name, "tenderer") for code, name in names.items()]
    only = release("ocds-be6bcu-UA-2025-02-10-004711-a", "award", "2025-03-10T12:00:00+02:00")
    only |= {
        "language": "uk",
        "parties": parties,
        "tender": tender,
        "bids": {"details": bids},
        "awards": awards,
    }
    return package("Prozorro", releases=[only])


def moldova() -> Json:
    """Two lots: for the roads two bid jointly and win, one was disqualified, one withdrew and came again."""
    roads: Json = {"relatedLots": [ROADS]}
    schools: Json = {"relatedLots": [SCHOOLS]}
    joint = {"tenderers": [{"id": "MD-IDNO-1"}, {"id": "MD-IDNO-2"}]}
    bids = [
        bid("1", "MD-IDNO-1", 90000.0, "MDL", **roads) | joint,
        bid("2", "MD-IDNO-3", 95000.25, "MDL", **roads),
        bid("3", "MD-IDNO-3", 40000.0, "MDL", **schools),
        bid("4", "MD-IDNO-4", 70000.0, "MDL", "disqualified", **roads, statusDetails="no bid security"),
        {"id": "5", "status": "withdrawn", "tenderers": [{"id": "MD-IDNO-5"}]},
        bid("6", "MD-IDNO-5", 39000.0, "MDL", **schools),
        {"id": "7", "status": "invited", "tenderers": [{"id": "MD-IDNO-6"}]},
    ]
    compiled = release(
        "ocds-b3wdp1-MD-1735689600000",
        "compiled",
        "2025-05-05T10:00:00Z",
        language="ro",
        buyer={"id": "MD-IDNO-100", "name": "Ministerul Infrastructurii"},
        parties=[party(f"MD-IDNO-{i}", f"Firma {i}", "tenderer") for i in range(1, 7)],
        tender={
            "id": "b1b7a1d2",
            "title": "Lucrări",
            "awardCriteria": "priceOnly",
            "procuringEntity": {"id": "MD-IDNO-200", "name": "Primăria"},
            "lots": [
                {"id": ROADS, "title": "Drumuri", "value": value(100000.0, "MDL")},
                {"id": SCHOOLS, "title": "Școli", "value": value(38000.0, "MDL")},
            ],
            "items": [{"id": "1", "description": "Drum", "relatedLot": ROADS}],
        },
        bids={"details": bids},
        awards=[
            {
                "id": "x",
                "status": "active",
                "relatedLots": [ROADS],
                "value": value(90000, "MDL"),
                "suppliers": joint["tenderers"],
            },
            {
                "id": "y",
                "status": "active",
                "value": value(39000, "MDL"),
                "relatedBid": "6",
                "suppliers": [{"id": "MD-IDNO-5"}],
            },
        ],
    )
    ocid = compiled["ocid"]
    link = {"url": "https://example.org/release.json", "date": compiled["date"], "tag": ["award"]}
    return package("MTender", records=[{"ocid": ocid, "compiledRelease": compiled, "releases": [link]}])


def nigeria() -> Json:
    """A release for each stage, the last one first: what they merge to is the tender."""
    ocid = "ocds-gyl66f-ABJ-2025-7"
    number, title = "ABJ/2025/7", "Boreholes"
    tender = {
        "id": number,
        "title": "Borehole",
        "awardCriteria": "priceOnly",
        "value": value(12000000, "NGN"),
    }
    bids = [bid("A", "NG-1", 11000000, "NGN", "pending"), bid("B", "NG-2", 10500000, "NGN", "pending")]
    parties = [party("NG-1", "Adamu & Sons", "tenderer"), party("NG-2", "Blue Water", "tenderer")]
    stages = [
        release(
            ocid,
            "award",
            "2025-04-01T00:00:00Z",
            bids={"details": [{"id": "B", "status": "valid"}, {"id": "A", "status": "valid"}]},
            awards=[{"id": "1", "suppliers": [{"id": "NG-2", "name": "Blue Water"}], "status": "active"}],
        ),
        release(
            ocid,
            "tenderUpdate",
            "2025-03-01T00:00:00Z",
            language="en",
            parties=parties,
            bids={"details": bids},
        ),
        release(ocid, "tender", "2025-02-01T00:00:00Z", tender=tender),
        release(ocid, "tenderAmendment", "2025-02-10T00:00:00Z", tender={"id": number, "title": title}),
    ]
    return package("Budeshi", records=[{"ocid": ocid, "releases": stages}])


def paraguay() -> Json:
    """A release by itself, without a list of parties, an entity or an award."""
    ids = {"PY-RUC-80001-1": "Constructora Uno", "PY-RUC-80002-2": "Dos S.A."}
    return release(
        "ocds-03ad3f-401234-1",
        "award",
        "2025-01-20T00:00:00-03:00",
        language="es",
        tender={"id": "401234-1", "title": "Sillas", "awardCriteria": "priceOnly"},
        bids={
            "details": [
                bid(f"of-{number}", id, 9500000 + number, "PYG", tenderers=[{"id": id, "name": name}])
                for number, (id, name) in enumerate(ids.items())
            ]
        },
    )


PACKAGES = (ukraine, moldova, nigeria, paraguay)


def written(package: Json) -> bytes:
    return json.dumps(package, ensure_ascii=False).encode()


def the_release(package: Json) -> Json:
    """Where the bids stand, to be changed."""
    if "records" in package:
        record = package["records"][0]
        found: Json = record.get("compiledRelease") or record["releases"][0]
        return found
    return package["releases"][0] if "releases" in package else package


def changed(package: Json, change: Callable[[Json], Any]) -> bytes:
    """The same package after `change` of its release."""
    package = deepcopy(package)
    change(the_release(package))
    return written(package)
