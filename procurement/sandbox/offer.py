"""What is bought in practice: a village's notebooks, and the delivery of its apples."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from crypto.committee import Committee
from crypto.encoding import Base64, moment, sha256
from crypto.trust import Trust
from procurement.evaluation import LowestPrice
from procurement.notices import Classification, TenderDocument, TranslatedItem, TranslatedLot, Translation
from procurement.registry.practice import RATES, Rate
from procurement.tenders import Bid, Contact, Declaration, Item, Lot, LotOffer, Notice, Organisation

OCID_PREFIX = "ocds-0s3al1-practice-"
"""Of the ground's own tenders, by which they are found (migrations/0011_practice.sql)."""
DECLARED = "practice"
"""Id of what every bidder declares."""
STEP = 100
"""Won: rivals' prices are whole multiples of it."""
LOWEST, HIGHEST = 900, 1050
"""Thousandths of the ceiling between which rivals' prices are drawn: some are out."""

GUIDE = """\
PRACTICE TENDER. Nothing is bought here, and nothing that is said binds anybody.

1. Read the notice: two lots, each with a highest price. You may bid for one of them or for both.
2. Enter a price for each lot, tick the declaration, and add a document if you like.
3. Seal and submit. Nobody reads your bid before the opening; keep the receipt, which proves that it is there.
4. Until the deadline you may replace your bid, or withdraw it.
5. After the opening all bids are published, ranked by price, and explained. Two of them are made up.
6. When the standstill is over there is an award record, which anybody can verify.

연습 입찰입니다. 실제로 구매하지 않으며, 누구에게도 구속력이 없습니다.

1. 공고를 읽습니다. 로트가 둘이고 로트마다 상한 가격이 있습니다. 하나에만 투찰해도 됩니다.
2. 로트마다 가격을 적고 확인 사항에 동의한 뒤, 원하면 서류를 붙입니다.
3. 봉인하여 제출합니다. 개찰 전에는 아무도 읽을 수 없습니다. 접수증이 제출 사실을 증명하니 보관하십시오.
4. 마감까지 투찰서를 바꾸거나 철회할 수 있습니다.
5. 개찰 뒤 모든 투찰서가 공개되고, 가격순 순위와 그 이유가 나옵니다. 그중 둘은 지어낸 것입니다.
6. 대기 기간이 끝나면 누구나 검증할 수 있는 낙찰 기록이 나옵니다.

LICITACIÓN DE PRÁCTICA. Aquí no se compra nada, y nada de lo que se diga obliga a nadie.

1. Lea el anuncio: dos lotes, cada uno con un precio máximo. Puede ofertar por uno o por ambos.
2. Indique un precio por lote, acepte la declaración y, si quiere, añada un documento.
3. Selle y envíe. Nadie lee su oferta antes de la apertura; guarde el recibo, que prueba que está ahí.
4. Hasta el cierre puede sustituir su oferta o retirarla.
5. Tras la apertura todas las ofertas se publican, ordenadas por precio y explicadas. Dos son inventadas.
6. Al terminar la espera hay un expediente de adjudicación que cualquiera puede verificar.
""".encode()


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a practice tender lives, in seconds, and how many come to practise."""

    lead: int = 360
    """From its publication to the deadline."""
    shared: int = 240
    """Whoever asks gets the tender that is there, where at least this much of its lead is left: otherwise a
    new one, so that there is never a third of them."""
    grace: int = 20
    """In which documents may still follow after the deadline."""
    margin: int = 60
    """From the deadline to the opening."""
    standstill: int = 60
    newcomers: tuple[Rate, ...] = RATES
    """Businesses that are let in to practise; the ground's own rivals count."""


class Named(NamedTuple):
    """Whom a notice names: its officer's certificate (fingerprint), and the committee with its members'
    signatures on it."""

    officer: str
    committee: Committee
    transcript: tuple[Base64, ...]


class _Thing(NamedTuple):
    """A lot of one item; words in English, Korean, Spanish."""

    id: str
    title: tuple[str, str, str]
    item: tuple[str, str, str]
    quantity: str
    unit: str
    unspsc: str
    ceiling: str


_LANGUAGES = ("en", "ko", "es")
_THINGS = (
    _Thing(
        "notebooks",
        ("Notebooks for the village school", "마을 학교 공책", "Cuadernos para la escuela del pueblo"),
        ("Ruled notebook, 80 pages", "줄 공책, 80쪽", "Cuaderno rayado, 80 páginas"),
        "400",
        "each",
        "14111514",
        "600000",
    ),
    _Thing(
        "apples",
        ("Delivery of apples", "사과 배송", "Entrega de manzanas"),
        (
            "Apples, box of 10 kg, delivered to the village hall",
            "사과 10kg 상자, 마을 회관까지 배송",
            "Manzanas, caja de 10 kg, entregada en el salón del pueblo",
        ),
        "30",
        "box",
        "50301500",
        "1200000",
    ),
)
_TITLE = (
    "Practice: notebooks and apples for a village",
    "연습: 마을 공책과 사과",
    "Práctica: cuadernos y manzanas para un pueblo",
)
_DESCRIPTION = (
    "A tender to learn on. Nothing is bought. It closes, opens and is awarded by itself within minutes;"
    " two made-up rivals bid as well.",
    "배우기 위한 입찰입니다. 실제로 구매하지 않습니다. 몇 분 안에 저절로 마감, 개찰, 낙찰되며"
    " 지어낸 경쟁자 둘도 투찰합니다.",
    "Una licitación para aprender. No se compra nada. Se cierra, se abre y se adjudica sola en unos minutos;"
    " también ofertan dos competidores inventados.",
)
_DECLARATION = (
    "I know that this is practice and binds nobody. / 연습이며 아무도 구속하지 않음을 알고 있습니다."
    " / Sé que es una práctica y que no obliga a nadie."
)


def document() -> TenderDocument:
    """The file that every notice names, whose bytes `GUIDE` has."""
    return TenderDocument(
        id="guide",
        document_type="biddingDocuments",
        title="How to practise / 연습 방법 / Cómo practicar",
        format="text/plain",
        language="en",
        sha256=sha256(GUIDE).hex(),
        size=len(GUIDE),
    )


def notice(named: Named, trust: Trust, pace: Pace, now: datetime, suffix: str) -> Notice:
    """A practice tender that is published now; `suffix` (hex) tells it from others of the same second."""
    network = trust.networks[0]
    deadline = (now + timedelta(seconds=pace.lead)).replace(microsecond=0)
    stamp = f"{now:%Y%m%d-%H%M%S}-{suffix}"
    village = Organisation(id="KR-PRACTICE", name="Practice village / 연습 마을 / Pueblo de práctica")
    return Notice(
        signer=named.officer,
        tender=OCID_PREFIX + stamp,
        number=f"PRACTICE-{stamp}",
        title=_TITLE[0],
        description=_DESCRIPTION[0],
        practice=True,
        procuring_entity=village,
        contact=Contact(name="Practice officer / 연습 담당관"),
        currency="KRW",
        category="goods",
        lots=tuple(map(_lot, _THINGS)),
        declarations=(Declaration(id=DECLARED, text=_DECLARATION),),
        published=moment(now),
        deadline=moment(deadline),
        standstill=pace.standstill,
        network=network,
        round=str(network.round_at(deadline + timedelta(seconds=pace.margin))),
        committee=named.committee,
        transcript=named.transcript,
        witnesses=trust.witnesses,
        content_limit=16 * 1024,
        document_limit=2,
        document_size=512 * 1024,
        upload_grace=pace.grace,
        documents=(document(),),
        translations=tuple(_translation(at) for at in range(1, len(_LANGUAGES))),
        enquiries_until=moment(deadline),
    )


def rival_bid(randomness: bytes) -> Bid:
    """A made-up bid on every lot, by two random bytes for each."""
    offers = tuple(
        LotOffer(lot=each.id, amount=_price(each.ceiling, randomness[2 * at : 2 * at + 2]))
        for at, each in enumerate(_THINGS)
    )
    return Bid(offers=offers, declarations=(DECLARED,))


def _price(ceiling: str, randomness: bytes) -> str:
    thousandths = LOWEST + int.from_bytes(randomness) % (HIGHEST - LOWEST + 1)
    return str(int(ceiling) * thousandths // 1000 // STEP * STEP)


def _lot(thing: _Thing) -> Lot:
    item = Item(
        id="1",
        description=thing.item[0],
        quantity=thing.quantity,
        unit=thing.unit,
        classification=Classification(scheme="UNSPSC", id=thing.unspsc),
    )
    return Lot(id=thing.id, title=thing.title[0], items=(item,), rules=LowestPrice(ceiling=thing.ceiling))


def _translation(at: int) -> Translation:
    return Translation(
        language=_LANGUAGES[at],
        title=_TITLE[at],
        description=_DESCRIPTION[at],
        lots=tuple(
            TranslatedLot(
                id=each.id,
                title=each.title[at],
                items=(TranslatedItem(id="1", description=each.item[at]),),
            )
            for each in _THINGS
        ),
    )
