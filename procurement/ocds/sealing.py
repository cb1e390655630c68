"""The extension "sealing": under which locks bids are kept, what was in the box, and what opened it."""

from collections.abc import Iterator, Mapping, Sequence

from bids.orders import Opening, OrderKey, OrderRefusal, RoundKeys
from bids.receipts import Closing, commitment
from crypto.encoding import encode, moment, sha256
from procurement.awards import LateClosing
from procurement.history import Entry
from procurement.ocds.facts import Person
from procurement.ocds.merging import Json
from procurement.ocds.notice import present
from procurement.tenders import Notice

ALL = "all"
"""Id of the order that opens a part of every bid."""


def locks(notice: Notice, notice_id: str, people: Mapping[str, Person]) -> Json:
    """As the notice has them: a beacon's round, and the committee's key; and who witnesses the log."""
    network, committee = notice.network, notice.committee
    members = [
        {"id": str(number), "name": people[each.certificate].name, "certificate": each.certificate}
        for number, each in enumerate(committee.members, start=1)
    ]
    return {
        "notice": notice_id,
        "timeLock": {
            "chainHash": network.chain_hash,
            "publicKey": network.public_key,
            "round": notice.round,
            "date": moment(notice.opens),
        },
        "mandateLock": {
            "publicKey": committee.public_key,
            "threshold": committee.threshold,
            "members": members,
        },
        "witnesses": {"quorum": notice.witnesses.quorum, "keys": [*notice.witnesses.keys]},
    }


def logged(entry: Entry) -> Json:
    """The entry of the log that a release tells of, so that anybody can find and prove it."""
    return {
        "id": str(entry.seq),
        "type": entry.t,
        "date": entry.time,
        "statement": entry.statement,
        "sha256": sha256(encode(entry)).hex(),
    }


def closed(entry: Entry, closing: Closing) -> Json:
    """What is in the box; whose it is, nobody is told before the opening."""
    kinds = [each.kind for each in closing.commitments]
    figures = {
        "envelopes": kinds.count("envelope"),
        "withdrawals": kinds.count("withdrawal"),
        "counted": len(closing.counted()),
        "superseded": len(closing.superseded),
        "documents": len(closing.documents),
        "missingDocuments": len(closing.missing),
    }
    return {
        "closing": {"id": entry.statement, "date": entry.time, **figures},
        **present(commitments=list(_commitments(closing))),
    }


def late(entry: Entry, said: LateClosing) -> Json:
    """An officer answers for a closing that was witnessed late."""
    return {"closing": {"late": {"id": entry.statement, "date": entry.time, "reason": said.reason}}}


def refused(entry: Entry, said: OrderRefusal) -> Json:
    """A member signs no order."""
    refusal = {"id": entry.statement, "date": entry.time, "part": said.part, "member": str(said.member)}
    return {"refusals": [refusal | {"reason": said.reason}]}


def opened(entry: Entry, opening: Opening, envelopes: Mapping[str, str]) -> Json:
    """The keys of a part; `envelopes` by the bid's id in orders."""
    rounds = [
        {
            "id": each.round,
            "beacon": each.beacon,
            **present(orders=[_order(key, envelopes) for key in each.keys]),
        }
        for each in (RoundKeys.of(opening), *opening.earlier)
    ]
    said = {"id": opening.part, "date": entry.time, "statement": entry.statement, "rounds": rounds}
    return {"openings": [said]}


def outcomes(entries: Sequence[Entry]) -> Json:
    """What came of each envelope's part: the hash of what it says, or the reason why it says nothing."""
    found: dict[str, list[Json]] = {}
    for each in entries:
        said = present(id=each.section, date=each.time, sha256=each.content, reason=each.reason)
        found.setdefault(each.statement, []).append(said)
    return present(commitments=[{"id": id, "sections": sections} for id, sections in found.items()])


def awarded(ocid: str) -> Json:
    """Where the award record lies at the service that runs the tender."""
    return {"awardRecord": f"/api/v1/tenders/{ocid}/record"}


def _commitments(closing: Closing) -> Iterator[Json]:
    counted = {*closing.counted(), *closing.withdrawn()}
    superseded = {*closing.superseded}
    for each in closing.commitments:
        id = each.statement
        status = "counted" if id in counted else "superseded" if id in superseded else "replaced"
        yield {
            "id": id,
            "kind": each.kind,
            "status": status,
            "date": each.time,
            "commitment": commitment(each.kind, closing.notice, each.time, each.salt, id).hex(),
            "logIndex": each.index,
            **present(inDoubt=each.in_doubt or None),
        }


def _order(key: OrderKey, envelopes: Mapping[str, str]) -> Json:
    envelope = envelopes[key.bid] if key.bid else ALL
    return {"id": f"{envelope}/{key.lot}" if key.lot else envelope, "signature": key.signature}
