"""A small storm, as part of every test run; `make chaos` is the large one."""

from tests.flows.doomed import in_a_folder
from tests.load.chaos import Battered, Pace, run

SMALL = Pace(clients=6, crowd=30, lead=8, afresh=4, margin=6)


async def test_every_word_is_kept_although_workers_sequencer_witness_and_database_are_killed() -> None:
    with in_a_folder(Battered) as process:
        storm, reckoning = await run(10, process, 4, SMALL)
    assert storm.killed.total() >= 10
    assert reckoning.counts["receipts"] > 0
    assert reckoning.counts["opened"] > 0
    assert reckoning.counts["records"] > 0
