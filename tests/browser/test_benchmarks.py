"""The benchmarks that need a browser work, too: each in a thread of its own, as a browser's loop is here."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.__main__ import SITE
from tests.core.test_benchmarks import check_measures


@pytest.mark.parametrize("name", SITE)
def test_a_benchmark_of_the_site_yields_finite_numbers(name: str) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(check_measures, name).result()
