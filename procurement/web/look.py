"""What every page has in common: its language, its words, its dates and numbers, and the files it loads."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import msgspec
from babel.core import Locale, negotiate_locale
from babel.dates import format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Message, Scope
from markupsafe import Markup

from crypto.encoding import Hex32, Value, parse_moment, sha256
from procurement.evaluation.explain import Language
from procurement.steps import LANGUAGES
from procurement.web.gate import UNGATED

HERE = Path(__file__).parent
KST = timezone(timedelta(hours=9), "KST")
CHOSEN = "lang"
"""The query parameter, and the cookie that remembers it, by which a reader chooses a language."""
YEAR = 365 * 24 * 3600

SPOKEN: dict[Language, str] = {"en": "English", "ko": "한국어", "es": "Español"}
_DATES: dict[Language, str] = {
    "en": "d MMMM y (EEE), HH:mm",
    "ko": "y년 M월 d일(EEE) HH:mm",
    "es": "d 'de' MMMM 'de' y (EEE), HH:mm",
}
OFTEN = 20_000
"""Moments and numbers that are remembered as they are written: lists and pages have the same ones again."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_CODINGS = {"br": ".br", "gzip": ".gz"}


def language_of(request: Request[Any, Any, Any]) -> Language:
    """The reader's language: chosen in the address, or before, or the browser's, or English. A page asks for
    it with each of its words, so the request remembers it."""
    kept = request.scope["state"]
    if "language" not in kept:
        kept["language"] = _negotiated(request)
    return cast(Language, kept["language"])


def _negotiated(request: Request[Any, Any, Any]) -> Language:
    chosen = [request.query_params.get(CHOSEN), request.cookies.get(CHOSEN)]
    accepted = [each.split(";")[0].strip() for each in request.headers.get("Accept-Language", "").split(",")]
    wanted = [str(each) for each in [*chosen, *accepted] if each and each != "*"]
    return cast(Language, negotiate_locale(wanted, LANGUAGES, sep="-") or "en")


async def remember_language(message: Message, scope: Scope) -> None:
    """A language that was chosen in the address stays; caches are told that pages differ by it."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = dict(message["headers"])
    if not headers.get(b"content-type", b"").startswith(b"text/html"):
        return
    more = [(b"vary", b"Accept-Language, Cookie")]
    chosen = Request[Any, Any, Any](scope).query_params.get(CHOSEN)
    if chosen in LANGUAGES:
        more.append((b"set-cookie", f"{CHOSEN}={chosen}; Path=/; Max-Age={YEAR}; SameSite=Lax".encode()))
    message["headers"] = [*message["headers"], *more]


def catalogue(language: Language) -> Catalog:
    """All words of a language: the files in its folder are read as one. Raises ValueError for a message
    that two of them have."""
    paths = sorted((HERE / "locales" / language).glob("*.po"))
    # A file's header says how many plurals there are: CLDR has one more for Spanish, of millions.
    whole = _read(paths[0], language) if paths else Catalog(locale=language)
    for path in paths[1:]:
        for message in filter(lambda each: each.id, _read(path, language)):
            if message.id in whole:
                raise ValueError(f"{path.name} has once more: {message.id}")
            whole[message.id] = message
    return whole


def _read(path: Path, language: Language) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def _translations(language: Language) -> Translations:
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return Translations(compiled)


class Words:
    """The catalogues, and what of a page depends on its reader's language."""

    def __init__(self) -> None:
        self._by_language = {each: _translations(each) for each in LANGUAGES}

    def say(self, language: Language, message: str, **values: object) -> str:
        """A message in that language, with `%(name)s` filled in."""
        said = self._by_language[language].gettext(message)
        return said % values if values else said

    @pass_context
    def gettext(self, context: Context, message: str) -> str:
        return self._by_language[_language(context)].gettext(message)

    @pass_context
    def ngettext(self, context: Context, one: str, many: str, count: int) -> str:
        return self._by_language[_language(context)].ngettext(one, many, count)


WORDS = Words()


def N_(message: str) -> str:
    """Marks a message that a page says later."""
    return message


@lru_cache(OFTEN)
def when(language: Language, time: datetime | str, *, seconds: bool = False) -> Markup:
    """A moment as people in Korea read it, with the zone printed, as a `time` element."""
    moment = parse_moment(time) if isinstance(time, str) else time
    shown = _DATES[language] + (":ss" if seconds else "")
    text = format_datetime(moment.astimezone(KST), shown, locale=language)
    return Markup('<time datetime="{}">{} KST</time>').format(
        moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), text
    )


def number(language: Language, value: int | str | Decimal) -> str:
    """A number as written in that language: every digit of it, grouped."""
    return _grouped(language, str(value))


@lru_cache(OFTEN)
def _grouped(language: Language, value: str) -> str:
    exact = Decimal(value)
    places = max(0, -cast(int, exact.as_tuple().exponent))
    return format_decimal(exact, "#,##0." + "0" * places if places else "#,##0", locale=language)


def country(language: Language, code: str) -> str:
    """The name of a country (ISO 3166-1 alpha-2), or its code where it has none in that language."""
    return str(Locale(language).territories.get(code, code))


def environment() -> Environment:
    """Our templates, with `_`, `ngettext`, `when`, `instant`, `number` and `country` in the
    reader's language, and `asset` for addresses of what a page loads."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(WORDS.gettext, WORDS.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {
        "asset": asset,
        "language": pass_context(_language),
        "languages": SPOKEN,
        "when": pass_context(lambda context, time: when(_language(context), time)),
        "instant": pass_context(lambda context, time: when(_language(context), time, seconds=True)),
        "number": pass_context(lambda context, value: number(_language(context), value)),
        "country": pass_context(lambda context, code: country(_language(context), code)),
        "here_in": pass_context(_here_in),
        "path": pass_context(lambda context: context["request"].url.path),
    }
    return made


def _language(context: Context) -> Language:
    return language_of(context["request"])


def _here_in(context: Context, language: Language) -> str:
    """This page's address in another language: its query alone, since a path like `//elsewhere` is a link
    to somebody else's site."""
    query = parse_qsl(context["request"].url.query)
    return "?" + urlencode([*((name, value) for name, value in query if name != CHOSEN), (CHOSEN, language)])


# ── files that pages load ────────────────────────────────────────────────────────────────────────────


class ClientReleased(Value, frozen=True, kw_only=True, tag_field="t", tag="client:released"):
    """Log entry: from now on the site's pages load these files and no others. `manifest` is the SHA-256 of
    ``/assets/manifest.json``, which lists each by its own: whoever seals in a browser trusts these scripts,
    and nobody gets others than everybody without a trace."""

    manifest: Hex32


class _Asset(msgspec.Struct, frozen=True):
    """A file as the manifest lists it. What only other scripts load has no name."""

    file: str
    sha256: str
    name: str | None = None


def _load() -> tuple[bytes, Mapping[str, str], Mapping[str, bytes]]:
    folder = HERE / "assets"
    try:
        manifest = (folder / "manifest.json").read_bytes()
    except FileNotFoundError as error:
        raise RuntimeError("the site's styles and scripts are not built: make setup") from error
    listed = msgspec.json.decode(manifest, type=list[_Asset])
    files = {each.file + suffix for each in listed for suffix in ("", *_CODINGS.values())}
    names = {each.name: each.file for each in listed if each.name}
    return manifest, names, {each: (folder / each).read_bytes() for each in files}


MANIFEST, NAMES, ASSETS = _load()
"""The list of all files, their hashed names by plain ones, and contents by hashed name: no address is ever
taken for a path."""

RELEASED = ClientReleased(manifest=sha256(MANIFEST).hex())


def asset(name: str) -> str:
    """The address of a style sheet, script or picture, which changes when its content does."""
    return f"/assets/{NAMES[name]}"


@get(
    "/assets/{name:str}",
    include_in_schema=False,
    cache_control=CacheControlHeader(max_age=YEAR, public=True, immutable=True),
    opt={"uncompressed": True} | UNGATED,
)
async def read_asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """A style sheet, a script or a picture, for ever: another content has another name."""
    kind = _TYPES.get(Path(name).suffix)
    if kind is None or name not in ASSETS:
        raise NotFoundException("nothing is here")
    accepted = request.headers.get("Accept-Encoding", "")
    coding = next((each for each in _CODINGS if each in accepted), None)
    headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": coding} if coding else {})
    content = ASSETS[name + _CODINGS[coding]] if coding else ASSETS[name]
    return Response(content, media_type=kind, headers=headers)


@get("/assets/manifest.json", include_in_schema=False, media_type="application/json", opt=UNGATED)
async def read_manifest() -> bytes:
    """Every file that pages load, with its SHA-256; the log has the SHA-256 of this list."""
    return MANIFEST


router = Router("/", route_handlers=[read_asset, read_manifest])
