"""One value, one encoding: the profile against `rfc8785`, shared vectors, and every `Value` there is."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

import bids
import crypto
import procurement
from crypto.encoding import (
    DEEPEST,
    LARGEST_INTEGER,
    Base64,
    Moment,
    Value,
    decode,
    encode,
    framed,
    from_base64,
    milliseconds,
    moment,
    parse_moment,
    to_base64,
)
from crypto.errors import MalformedError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "json_profile.json").read_text("utf-8"))

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"))
KEYS = st.from_regex(r"[a-z][A-Za-z0-9]{0,6}", fullmatch=True)
VALUES = st.recursive(
    st.booleans() | st.integers(0, LARGEST_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def vector_bytes(vector: dict[str, str]) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
def test_an_accepted_input_is_its_own_encoding_and_that_of_rfc_8785(vector: dict[str, str]) -> None:
    data = vector_bytes(vector)
    assert encode(decode(data, Any)) == data
    assert rfc8785.dumps(json.loads(data)) == data


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_a_refused_input_is_malformed(vector: dict[str, str]) -> None:
    with pytest.raises(MalformedError):
        decode(vector_bytes(vector), Any)


@given(VALUES)
def test_the_encoding_is_that_of_rfc_8785_and_decodes_to_the_value(value: Any) -> None:
    data = encode(value)
    assert data == rfc8785.dumps(value)
    assert decode(data, Any) == value


@given(VALUES, st.data())
def test_of_all_texts_that_are_json_for_a_value_only_one_decodes(value: Any, data: st.DataObject) -> None:
    indent, escaped = data.draw(st.none() | st.integers(0, 2)), data.draw(st.booleans())
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (",", ": ")]))
    text = json.dumps(value, indent=indent, ensure_ascii=escaped, separators=separators)
    assert_one_encoding(text.encode(), value)


def assert_one_encoding(data: bytes, value: Any) -> None:
    try:
        assert decode(data, Any) == value
    except MalformedError:
        assert data != encode(value)
    else:
        assert data == encode(value)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_garbage_is_malformed_or_the_encoding_of_what_it_decodes_to(data: bytes) -> None:
    try:
        value = decode(data, Any)
    except MalformedError:
        return
    assert encode(value) == data


@pytest.mark.parametrize("deep", [b"[" * 1_000_000, b'{"a":' * 200_000, b"[" * 1000 + b"]" * 1000])
def test_depth_that_would_exhaust_the_stack_is_malformed(deep: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(deep, Any)


def test_what_is_not_of_the_type_is_refused_before_every_value_in_it_is_looked_at() -> None:
    """Megabytes of anything cost a reader a second otherwise, and anybody may send them."""
    with pytest.raises(MalformedError, match="not a str"):
        decode(b"[" + b"1.5," * 1000 + b"1]", str)


def test_longer_than_the_limit_is_malformed() -> None:
    assert decode(b"[1,2]", list[int], limit=5) == [1, 2]
    with pytest.raises(MalformedError, match="longer than 4 bytes"):
        decode(b"[1,2]", list[int], limit=4)


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        float("nan"),
        -1,
        2**53,
        2**70,
        {"a": None},
        {"A": 1},
        {1: 2},
        "\ud800",
        "\t",
        "\x85",
        object(),
    ],
    ids=repr,
)
def test_what_the_profile_has_no_form_for_is_not_encoded(value: object) -> None:
    with pytest.raises(MalformedError):
        encode(value)


def test_what_is_nested_too_deeply_is_not_encoded() -> None:
    nested: list[Any] = []
    for _ in range(DEEPEST - 1):
        nested = [nested]
    assert encode(nested) == b"[" * DEEPEST + b"]" * DEEPEST
    with pytest.raises(MalformedError):
        encode([nested])


class Desk(Value, frozen=True, kw_only=True):
    number: int
    name_of: str | None = None
    parts: tuple[str, ...] = ()
    sold: bool = False
    price: str = "100"
    limit: int = 65536


@pytest.mark.parametrize(
    "data",
    [
        b'{"number":1,"extra":1}',
        b'{"extra":1,"number":1}',
        b"{}",
        b'{"number":"1"}',
        b'{"number":true}',
        b'{"name_of":"x","number":1}',
        b'{"number":1,"parts":[]}',
        b'{"number":1,"sold":false}',
        b'{"number":1,"price":"100"}',
        b'{"limit":65536,"number":1}',
        b'{"nameOf":null,"number":1}',
        b'{"number":1,"parts":["a",1]}',
        b"[1]",
    ],
)
def test_a_struct_is_decoded_from_nothing_but_its_one_encoding(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data, Desk)


def test_a_struct_writes_camel_case_and_leaves_out_what_is_not_said() -> None:
    assert encode(Desk(number=1, name_of="a", sold=True)) == b'{"nameOf":"a","number":1,"sold":true}'
    assert encode(Desk(number=1, parts=(), sold=False)) == b'{"number":1}'
    assert encode(Desk(number=1, price="".join(["1", "00"]), limit=int("65536"))) == b'{"number":1}'


def every_value() -> Iterator[type[Value]]:
    """All Value classes of the program."""
    for package in (crypto, bids, procurement):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.ispkg and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    waiting = list(Value.__subclasses__())
    while waiting:
        waiting += (class_ := waiting.pop()).__subclasses__()
        if class_.__module__.split(".")[0] in ("crypto", "bids", "procurement"):
            yield class_


@pytest.mark.parametrize("class_", sorted(every_value(), key=str), ids=lambda class_: class_.__name__)
def test_a_default_that_is_written_out_is_never_a_second_encoding(class_: type[Value]) -> None:
    """msgspec leaves a default out only where it finds that very object: decoding must give it back, or
    Value must put it there."""
    for field in msgspec.structs.fields(class_):
        assert field.default_factory is msgspec.NODEFAULT
        if field.default is not msgspec.NODEFAULT and field.default is not None:
            decoded = msgspec.json.decode(msgspec.json.encode(field.default), type=field.type)
            repaired = class_.__post_init__ is Value.__post_init__ and isinstance(field.default, str | int)
            assert decoded is field.default or repaired, field.name


@pytest.mark.parametrize(
    "text", ["QQ", "QQ=", "QR==", "QQ==\n", "Q Q=", "QQ==QQ==", "-_==", "====", "Q===", "가"]
)
def test_base64_that_is_not_the_one_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        from_base64(text)


@given(st.binary(max_size=50))
def test_base64_and_back(data: bytes) -> None:
    assert from_base64(to_base64(data)) == data
    assert decode(encode(to_base64(data)), Base64) == to_base64(data)


def test_a_frame_is_the_length_and_the_part() -> None:
    assert framed(b"abc") == b"\x00\x00\x00\x03abc"
    assert framed(b"") == b"\x00\x00\x00\x00"


@given(st.datetimes(datetime(1970, 1, 1), datetime(8999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_is_the_time_rounded_down_to_the_millisecond(time: datetime) -> None:
    text = moment(time)
    assert decode(encode(text), Moment) == text
    assert timedelta(0) <= time - parse_moment(text) < timedelta(milliseconds=1)
    since = parse_moment(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert since == timedelta(milliseconds=milliseconds(text))


def test_a_moment_in_another_zone_is_written_in_utc() -> None:
    seoul = datetime.fromisoformat("2026-11-21T18:00:00.999999+09:00")
    assert moment(seoul) == "2026-11-21T09:00:00.999Z"


@pytest.mark.parametrize(
    "text",
    [
        "٢٠٢٦-11-21T09:00:00.000Z",
        "2026-11-21T09:00:00Z",
        "2026-11-21T09:00:00.0000Z",
        "2026-11-21T09:00:00.000+00:00",
        "2026-11-21t09:00:00.000z",
        "2026-11-21 09:00:00.000Z",
        "2026-11-21T09:00:00.000Z\n",
    ],
)
def test_a_time_in_another_form_is_no_moment(text: str) -> None:
    with pytest.raises(MalformedError):
        decode(encode(text) if "\n" not in text else json.dumps(text).encode(), Moment)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13-01", "0000-01-01", "2026-00-10"])
def test_a_date_that_no_calendar_has_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_moment(f"{text}T00:00:00.000Z")


@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31", "9000-01-01", "9999-12-31"])
def test_a_time_next_to_which_nothing_can_be_reckoned_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_moment(f"{text}T00:00:00.000Z")


@pytest.mark.parametrize("text", ["23:59:60.000", "24:00:00.000", "12:60:00.000", "23:59:61.000"])
def test_a_time_that_no_clock_shows_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_moment(f"2026-01-01T{text}Z")


def test_milliseconds_count_from_1970_and_not_before() -> None:
    assert milliseconds("1970-01-01T00:00:00.001Z") == 1
    with pytest.raises(MalformedError):
        milliseconds("1969-12-31T23:59:59.999Z")
