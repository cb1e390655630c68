"""What waits for a second officer, as somebody reads it who is to sign it: all of it in words, and below
that the very JSON."""

from collections.abc import Sequence

import msgspec

import bids.store as box
from bids.envelope import Envelope
from crypto.certificates import Certificate
from crypto.statements import Statement
from procurement import publication
from procurement.awards import Award, Evaluated, LotAward, Termination
from procurement.editions import Amendment
from procurement.evaluation import Ranked
from procurement.evaluation.explain import Language
from procurement.procedure import Procedure
from procurement.registry import store as registry
from procurement.store import Draft
from procurement.tenders import Notice
from procurement.words import Differences, differences


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """What an award says of a lot: whom it goes to, the lead first, by which bid; nobody where it is
    unsuccessful."""

    lot: str
    title: str
    tenderers: list[Certificate]
    ranked: Ranked | None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A draft in words. `notice` is what waits, the tender's as it is now, or as an amendment has it;
    `people` has everybody's certificate by fingerprint whom it names; `winners` are an award's, `said` is
    what an amendment or a termination says, `changed` how an amendment makes the notice read."""

    draft: Draft
    statement: Statement
    notice: Notice
    people: dict[str, Certificate]
    winners: list[Winner]
    said: Amendment | Termination | None = None
    changed: Differences | None = None
    latest: str = ""
    """Id of the statement that made the tender's terms what they are."""

    @property
    def void(self) -> bool:
        """Whether it is an amendment of terms that have changed since."""
        return isinstance(self.said, Amendment) and self.said.previous != self.latest

    @property
    def officer(self) -> Certificate:
        """Who signed it."""
        return self.people[self.statement.signer]

    @property
    def second(self) -> Certificate | None:
        """Who countersigned it, where only its time is still to come."""
        said = self.draft.countersignature
        return self.people[Statement(said).signer] if said else None

    @property
    def json(self) -> str:
        """What was signed, indented."""
        return msgspec.json.format(self.statement.payload, indent=2).decode()


async def read(procedure: Procedure, draft: Draft, language: Language) -> Reading:
    """A draft with everything that the second officer has to know, in their language."""
    statement = Statement(draft.body)
    tender = None if draft.kind == "notice" else await procedure.tender(draft.ocid)
    notice, said = tender.notice if tender else statement.read(Notice), _change(draft, statement)
    amended = said.amended if isinstance(said, Amendment) else notice
    named = [statement.signer, *(() if tender else notice.named)]
    if draft.countersignature:
        named.append(Statement(draft.countersignature).signer)
    awards = statement.read(Award).awards if draft.kind == "award" else ()
    return Reading(
        draft=draft,
        statement=statement,
        notice=amended,
        people=await _certificates(procedure, named),
        winners=await _winners(procedure, draft, notice, awards) if awards else [],
        said=said,
        changed=differences(notice, amended, language),
        latest=tender.editions[-1].statement if tender else "",
    )


def _change(draft: Draft, statement: Statement) -> Amendment | Termination | None:
    match draft.kind:
        case "amendment":
            return statement.read(Amendment)
        case "termination":
            return statement.read(Termination)
    return None


async def _winners(
    procedure: Procedure, draft: Draft, notice: Notice, awards: Sequence[LotAward]
) -> list[Winner]:
    _, evaluated = await publication.evaluation(procedure, draft.ocid)
    titles = {lot.id: lot.title for lot in notice.lots}
    return [
        Winner(
            lot=each.lot,
            title=titles[each.lot],
            tenderers=await _tenderers(procedure, draft, each),
            ranked=_ranked(evaluated, each),
        )
        for each in awards
    ]


def _ranked(evaluated: Evaluated, award: LotAward) -> Ranked | None:
    ranking = [
        ranked for each in evaluated.lots if each.lot == award.lot for ranked in each.evaluation.ranking
    ]
    return next((each for each in ranking if each.bid == award.bid), None)


async def _tenderers(procedure: Procedure, draft: Draft, award: LotAward) -> list[Certificate]:
    stored = await box.load_envelope(procedure.pool, draft.tender_id, award.bid) if award.bid else None
    if stored is None:
        return []
    envelope = Statement(stored.body).read(Envelope)
    named = [envelope.signer, *envelope.consortium]
    found = await _certificates(procedure, named)
    return [found[each] for each in named]


async def _certificates(procedure: Procedure, fingerprints: Sequence[str]) -> dict[str, Certificate]:
    found = await registry.load_certificates(procedure.pool, fingerprints)
    return {fingerprint: Certificate(der) for fingerprint, der in found.items()}
