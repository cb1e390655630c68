"""Settings are read from the environment; what cannot be meant is said."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.beacon import QUICKNET
from crypto.certificates import Authority, Role
from crypto.checkpoint import LOG, WITNESS, SigningKey
from procurement.settings import PublicBeacon, Settings, SettingsError, Witnesses
from tests.builders import START

HASH = "ab" * 32
A, B = (SigningKey(f"{name}.example/w", WITNESS, name.encode() * 32).verifier.encode() for name in "ab")
A_LOG = SigningKey("log.example", LOG, bytes(32)).verifier.encode()


@pytest.mark.parametrize("environment", [{}, {"OPENSEAL_BEACON": ""}, {"OPENSEAL_BEACON": "local"}])
def test_by_default_the_beacon_is_the_services_own(environment: dict[str, str]) -> None:
    settings = Settings.load(environment, Path("data"))
    assert (settings.beacon, settings.relays, settings.beacon_period) == (None, (), 1)


def test_a_public_beacon_is_a_chain_and_its_relays() -> None:
    text = "quicknet@https://a.example/, http://127.0.0.1:8080/v1,https://a.example"
    beacon = PublicBeacon.parse(text)
    relays = ("https://a.example", "http://127.0.0.1:8080/v1")
    assert beacon == PublicBeacon(chain=QUICKNET.chain_hash, relays=relays)
    other = Settings.load({"OPENSEAL_BEACON": f"{HASH}@https://a.example"}, Path("data"))
    assert other.beacon == PublicBeacon(chain=HASH, relays=("https://a.example",))
    assert other.relays == ("https://a.example",)


@pytest.mark.parametrize(
    "text",
    [
        "quicknet",
        "quicknet@",
        "fastnet@https://a.example",
        "https://a.example",
        "local@https://a.example",
        f"{HASH.upper()}@https://a.example",
        f"{HASH}@ftp://a.example",
        f"{HASH}@https://a.example,",
        f"{HASH}@https://a b",
    ],
)
def test_another_form_of_beacon_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="OPENSEAL_BEACON"):
        Settings.load({"OPENSEAL_BEACON": text}, Path("data"))


@pytest.mark.parametrize("text", ["0", "-1", "3601", "1.5", "soon", "٣", "99999999999"])
def test_a_period_is_a_number_of_seconds_up_to_an_hour(text: str) -> None:
    with pytest.raises(SettingsError, match="OPENSEAL_BEACON_PERIOD"):
        Settings.load({"OPENSEAL_BEACON_PERIOD": text}, Path("data"))


def test_a_time_stamping_authority_is_its_roots_and_its_address(tmp_path: Path) -> None:
    assert Settings.load({}, Path("data")).stamping is None
    assert Settings.load({"OPENSEAL_STAMPS": "off"}, Path("data")).stamping is None
    roots = tmp_path / "roots@home.pem"
    several = [Authority.create(role, START).root for role in (Role.SERVICE, Role.AUDITOR)]
    roots.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in several))
    stamping = Settings.load({"OPENSEAL_STAMPS": f"{roots}@https://tsa.example/tsr"}, Path("data")).stamping
    assert stamping is not None
    assert (stamping.url, stamping.authorities()) == ("https://tsa.example/tsr", several)


def test_another_form_of_time_stamping_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    for text in (
        "https://tsa.example",
        "on",
        "@https://tsa.example",
        f"{tmp_path}/none.pem@https://tsa.example",
        f"{tmp_path}/none.pem@ftp://tsa.example",
        f"{tmp_path}/absent.pem@https://tsa.example",
    ):
        with pytest.raises(SettingsError, match="OPENSEAL_STAMPS"):
            Settings.load({"OPENSEAL_STAMPS": text}, Path("data"))


@pytest.mark.parametrize("text", ["-1", "3601", "0.5", "many", "٣"])
def test_covers_are_a_number_per_hour_that_the_log_can_bear(text: str) -> None:
    with pytest.raises(SettingsError, match="OPENSEAL_COVERS"):
        Settings.load({"OPENSEAL_COVERS": text}, Path("data"))


def test_there_are_covers_unless_they_are_switched_off() -> None:
    assert Settings.load({}, Path("data")).covers == 60
    assert Settings.load({"OPENSEAL_COVERS": "0"}, Path("data")).covers == 0


def test_there_is_a_practice_ground_unless_it_is_switched_off() -> None:
    assert Settings.load({}, Path("data")).practice
    assert Settings.load({"OPENSEAL_PRACTICE": "on"}, Path("data")).practice
    assert not Settings.load({"OPENSEAL_PRACTICE": "off"}, Path("data")).practice
    with pytest.raises(SettingsError, match="OPENSEAL_PRACTICE"):
        Settings.load({"OPENSEAL_PRACTICE": "maybe"}, Path("data"))


def test_witnesses_are_a_quorum_and_who_is_asked_where() -> None:
    text = f"2:{A}@https://a.example/w, {B}@http://127.0.0.1:8080"
    settings = Settings.load({"OPENSEAL_WITNESSES": text}, Path("data"))
    urls = {A: "https://a.example/w", B: "http://127.0.0.1:8080"}
    assert settings.witnesses == Witnesses(quorum=2, urls=urls)
    assert settings.witnesses.policy.keys == (A, B)
    assert Settings.load({"OPENSEAL_WITNESSES": "local"}, Path("data")).witnesses is None


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1:",
        f"{A}@https://a.example",
        f"1:{A}",
        f"1:{A}@a.example",
        f"0:{A}@https://a.example",
        f"2:{A}@https://a.example",
        f"2:{A}@https://a.example,{A}@https://b.example",
        f"two:{A}@https://a.example",
        f"1:{A_LOG}@https://a.example",
        f"1:{A[:-8]}AAAAAAA=@https://a.example",
    ],
)
def test_another_form_of_witnesses_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="OPENSEAL_WITNESSES"):
        Settings.load({"OPENSEAL_WITNESSES": text}, Path("data"))


def test_roots_of_authorities_elsewhere_are_a_folder(tmp_path: Path) -> None:
    assert Settings.load({"OPENSEAL_ROOTS": str(tmp_path)}, Path("data")).roots == tmp_path
    assert Settings.load({"OPENSEAL_ROOTS": ""}, Path("data")).roots is None
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(SettingsError, match="OPENSEAL_ROOTS"):
            Settings.load({"OPENSEAL_ROOTS": str(wrong)}, Path("data"))


def test_documents_lie_in_a_folder_or_in_a_bucket() -> None:
    assert Settings.load({"OPENSEAL_DOCUMENTS": ""}, Path("data")).documents == ""
    for text in ("s3://sealed", "s3://sealed.example/tenders/2026"):
        assert Settings.load({"OPENSEAL_DOCUMENTS": text}, Path("data")).documents == text
    for wrong in (
        "sealed",
        "/srv/sealed",
        "s3://",
        "s3://a",
        "s3://key:secret@sealed",
        "http://sealed",
        "s3://sealed/",
    ):
        with pytest.raises(SettingsError, match="OPENSEAL_DOCUMENTS"):
            Settings.load({"OPENSEAL_DOCUMENTS": wrong}, Path("data"))
