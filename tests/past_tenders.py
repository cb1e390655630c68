"""The two past tenders as files of KONEPS's open API, whole or changed in one place."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from procurement import koneps
from procurement.case import Case
from tests.core.evaluation_builders import FACTS

NEGOTIATION, PRICE_FLOOR = "R25BK01027145", "R25BK00811340"
NEGOTIATION_FOLDER = Path(__file__).parents[1] / "procurement" / "cases" / NEGOTIATION
RESULTS = (
    "opengRank",
    "rmrk",
    "bidprcrt",
    "bidPrceEvlVal",
    "totalEvlAmtVal",
    "plnprc",
    "drwtYn",
    "drwtNum",
)
"""Fields that say what came out."""

SALT = "5a" * 32

Files = dict[str, bytes]
Items = list[dict[str, Any]]


def files_of(number: str) -> Files:
    """The files of a past tender, by name."""
    if number == NEGOTIATION:
        return {path.name: path.read_bytes() for path in NEGOTIATION_FOLDER.iterdir()}
    facts = FACTS["koneps"]
    return {
        "notice.json": answer(_notice(facts)),
        "bids.json": answer(*(_bid(i, bid) for i, bid in enumerate(facts["bids"], start=1))),
        "prices.json": answer(*(_price(facts, number) for number in range(1, 16))),
    }


def answer(*items: Mapping[str, Any]) -> bytes:
    """What the open API answers."""
    return json.dumps({"response": {"body": {"items": items}}}, ensure_ascii=False).encode()


def changed(files: Files, name: str, change: Callable[[Items], Any]) -> Files:
    """The same files after `change` of the items of one of them."""
    items = json.loads(files[name])["response"]["body"]["items"]
    change(items)
    return {**files, name: answer(*items)}


def with_field(files: Files, name: str, field: str, figure: str, at: int = 0) -> Files:
    """The same files with one field of one item set."""
    return changed(files, name, lambda items: items[at].update({field: figure}))


def blanked(files: Files) -> Files:
    """The same files with every result blank; a negotiation's budget stays in the notice."""
    for name in files:
        files = changed(files, name, _blank)
    return files


def read_case(files: Files) -> Case:
    """The case, its prices hidden by a salt that is always the same."""
    return koneps.read_case(files, SALT)


def the_case(number: str) -> Case:
    return read_case(files_of(number))


def written(files: Files, folder: Path) -> Path:
    """A case folder."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def _blank(items: Items) -> None:
    for item in items:
        item.update({field: "" for field in RESULTS if field in item})


def _notice(facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        "bidNtceNo": PRICE_FLOOR,
        "bidNtceOrd": "000",
        "bidNtceNm": "기초생활거점조성사업 기본계획수립 용역",
        "sucsfbidLwltRate": facts["floor"],
        "bssamt": facts["base"],
        "rsrvtnPrceRngBgnRate": "-2",
        "rsrvtnPrceRngEndRate": "+2",
    }


def _bid(position: int, bid: Mapping[str, Any]) -> dict[str, str]:
    return {
        "bidNtceNo": PRICE_FLOOR,
        "bidNtceOrd": "000",
        "opengRank": str(bid["rank"] or ""),
        "prcbdrNm": f"bidder {position:02}",
        "bidprcAmt": bid["amount"],
        "bidprcrt": bid["rate"],
        "rmrk": bid["remark"],
        "drwtNo1": f" {bid['picks'][0]:02}",
        "drwtNo2": f" {bid['picks'][1]:02}",
    }


def _price(facts: Mapping[str, Any], number: int) -> dict[str, str]:
    return {
        "bidNtceNo": PRICE_FLOOR,
        "bidNtceOrd": "000",
        "plnprc": facts["expectedPrice"],
        "bssamt": facts["base"],
        "compnoRsrvtnPrceSno": str(number),
        "bsisPlnprc": facts["prices"][number - 1],
        "drwtYn": "Y" if number in facts["drawn"] else "N",
        "drwtNum": str(facts["picks"][number - 1]),
        "bssamtBssUpNum": "8",
    }
