"""Files that are replaced whole, by whoever keeps something that must survive a power cut."""

from pathlib import Path

from crypto import durable


def test_a_replaced_file_is_whole_alone_and_for_the_owners_eyes(tmp_path: Path) -> None:
    path = tmp_path / "service.key"
    for data in (b"first, and longer", b"second"):
        durable.replace(path, data)
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (data, 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_aside_is_no_obstacle(tmp_path: Path) -> None:
    half = tmp_path / "service.key.new"
    half.write_bytes(b"half")
    half.chmod(0o644)
    durable.replace(tmp_path / "service.key", b"whole")
    assert (tmp_path / "service.key").read_bytes() == b"whole"
    assert (tmp_path / "service.key").stat().st_mode & 0o777 == 0o600
    assert not half.exists()
