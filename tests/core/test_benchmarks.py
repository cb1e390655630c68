"""Every benchmark works, at a size that measures nothing. How fast anything is, no test says."""

import json
import math
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHES, SITE, as_line, main, run, write
from benchmarks.measuring import Measure, Scale

TINY = Scale(
    bids=70,
    record_bids=3,
    records=3,
    sample=2,
    entries=300,
    proofs=3,
    commits=40,
    rush=20,
    seconds=1,
    minute=0.2,
    crowd=3,
    upload=5,
    audits=1,
    tenders=40,
    lines=40,
    searches=20,
    rounds=1,
)


def check_measures(name: str) -> None:
    """The benchmark of that name works, however little it measures."""
    measures = list(run([name], TINY))
    assert measures[0].name == name
    assert measures[0].value > 0
    for measure in measures:
        assert math.isfinite(measure.value)
        assert measure.name in as_line(measure)


@pytest.mark.parametrize("name", sorted(BENCHES.keys() - SITE.keys()))
def test_a_benchmark_yields_finite_numbers_the_first_under_its_own_name(name: str) -> None:
    check_measures(name)


def test_the_results_are_a_list_of_name_value_unit_and_goal(tmp_path: Path) -> None:
    ratio = Measure(name="ratio", value=0.5, unit="", goal=0.55, better="more")
    write([ratio, Measure(name="proof_ms", value=1.25, unit="ms")], tmp_path / "build" / "bench.json")
    assert json.loads((tmp_path / "build" / "bench.json").read_bytes()) == [
        {"name": "ratio", "value": 0.5, "unit": "", "goal": 0.55},
        {"name": "proof_ms", "value": 1.25, "unit": "ms", "goal": None},
    ]


def test_one_benchmark_by_name_prints_a_table_and_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["seal_bid_ms"], TINY) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["name", "seal_bid_ms"]
    (written,) = json.loads(Path("build/bench.json").read_bytes())
    assert written["name"] == "seal_bid_ms"


def test_a_benchmark_that_does_not_exist_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seal_bid_ms", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_goal_is_missed_on_its_own_side_only() -> None:
    for value, at_most, at_least in ((1.0, "", "missed"), (1.5, "", ""), (2.0, "missed", "")):
        less = Measure(name="time", value=value, unit="s", goal=1.5)
        more = Measure(name="ratio", value=value, unit="", goal=1.5, better="more")
        assert as_line(less).endswith(at_most or "≤ 1.5")
        assert as_line(more).endswith(at_least or "≥ 1.5")
