"""The service answers."""

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from crypto.certificates import request
from crypto.encoding import to_base64


async def test_a_new_service_is_healthy_and_has_no_tenders(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health")).json() == {"status": "ok"}
    assert (await http.get("/api/v1/tenders")).json() == {"tenders": []}
    assert "No tender was published yet" in (await http.get("/")).text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "Origin"])
async def test_nobody_elsewhere_gets_a_certificate_through_a_proxy_or_a_browser(
    http: httpx.AsyncClient, header: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    asked = {"role": "officer", "request": to_base64(request(key, "Officer", "O-1"))}
    answer = await http.post("/api/v1/certificates", json=asked, headers={header: "127.0.0.1"})
    assert answer.status_code == 403
    assert (await http.post("/api/v1/certificates", json=asked)).status_code == 201
