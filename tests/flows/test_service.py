"""The service answers."""

import httpx


async def test_a_new_service_is_healthy_and_has_no_tenders(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health")).json() == {"status": "ok"}
    assert (await http.get("/api/v1/tenders")).json() == {"tenders": []}
    assert "No tender was published yet" in (await http.get("/")).text
