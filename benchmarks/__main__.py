"""``python -m benchmarks [NAME…]``: measure, print one table, and write it to ``build/bench.json``."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import evaluation, exports, finding, intake, log, opendata, opening, records, site, uploads
from benchmarks.measuring import Measure, Scale

Bench = Callable[[Scale], Iterator[Measure]]

SITE: dict[str, Bench] = {
    "list_page_bytes": site.list_page_bytes,
    "sealing_bytes": site.sealing_bytes,
    "first_paint_s": site.first_paint,
    "lighthouse_min": site.lighthouse,
    "seal_chromium_ms": site.seal_chromium,
}
"""Those that need a browser."""
BENCHES: dict[str, Bench] = {
    "open_bid_ratio": opening.open_bid,
    "open_5000_s": opening.open_many,
    "seal_bid_ms": opening.seal_bid,
    "log_commit_ratio": log.log_commit,
    "leaf_hashes_per_s": log.leaf_hashes,
    "proof_ms": log.proof,
    "verify_ratio": records.verify,
    "verify_all_per_s": records.verify_all,
    "evaluate_15000_s": evaluation.evaluate_many,
    "intake_ratio": intake.intake_ratio,
    "receipt_p99_ms": intake.receipts,
    "bid_cost_growth": intake.bid_cost_growth,
    "upload_memory_mib": uploads.upload_memory,
    "slow_uploads_ratio": uploads.slow_uploads,
    "export_ratio": exports.export_ratio,
    "feed_walk_per_s": opendata.feed_walk,
    "search_p99_ms": finding.search,
    "readers_beside_bids": opendata.readers_beside_bids,
} | SITE
FULL = Scale()
RESULTS = Path("build/bench.json")


def main(names: Sequence[str], scale: Scale = FULL) -> int:
    """Run the benchmarks of these names, all of them if none is given. A missed goal is no failure:
    machines differ, and a table that says so is what was asked for."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no benchmark {unknown[0]}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    measures = []
    print(_line("name", "value", "unit", "goal", ""))
    for measure in run(names or list(BENCHES), scale):
        print(as_line(measure), flush=True)
        measures.append(measure)
    write(measures, RESULTS)
    return 0


def run(names: Sequence[str], scale: Scale) -> Iterator[Measure]:
    """The measures of these benchmarks, each as soon as it is known."""
    for name in names:
        yield from BENCHES[name](scale)


def write(measures: Sequence[Measure], path: Path) -> None:
    """As JSON: a list of name, value, unit and goal (null where there is none)."""
    path.parent.mkdir(exist_ok=True)
    rows = [{key: getattr(each, key) for key in ("name", "value", "unit", "goal")} for each in measures]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")


def as_line(measure: Measure) -> str:
    """One line of the table."""
    sign = "≤" if measure.better == "less" else "≥"
    goal = "" if measure.goal is None else f"{sign} {measure.goal:g}"
    verdict = "" if measure.met else "missed"
    return _line(measure.name, f"{measure.value:,.4g}", measure.unit, goal, verdict)


def _line(name: str, value: str, unit: str, goal: str, verdict: str) -> str:
    return f"{name:<22}{value:>12} {unit:<5}{goal:>10}  {verdict}".rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
