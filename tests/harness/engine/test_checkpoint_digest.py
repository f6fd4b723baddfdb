"""A training goes on from nothing but what was written: every checkpoint has a digest beside it."""

import hashlib

import pytest
import torch
from test_continuation import Interrupt, build, run
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from harness.engine.checkpoint import load_checkpoint
from harness.engine.continuation import usable_checkpoint


def digest_of(path):
    return path.with_name(f"{path.name}.sha256")


def store(network, path):
    content = {"meta": {"iter": 2}, "message_hub": {}, "optimizer": {}, "bench": {}}
    torch.save({"state_dict": network.state_dict(), **content}, path)
    digest_of(path).write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def flip_a_bit_of(tensor, path):
    """Changes one value of a stored tensor, and nothing of the file's structure."""
    raw, stored = bytearray(path.read_bytes()), tensor.detach().numpy().tobytes()
    assert len(stored) >= 16
    place = raw.index(stored)
    raw[place + 1] ^= 1
    path.write_bytes(raw)


def names(folder):
    return sorted(path.name for path in folder.glob("iter*"))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Linear(4, 4)


def test_a_flipped_bit_in_a_tensor_is_noticed(network, tmp_path, caplog):
    older, newer = tmp_path / "iter_2.pth", tmp_path / "iter_10.pth"
    store(network, older)
    store(network, newer)
    flip_a_bit_of(network.weight, newer)
    changed = load_checkpoint(newer)["state_dict"]["weight"]
    assert not torch.equal(changed, network.weight), "torch itself says nothing"
    assert usable_checkpoint(tmp_path, network) == f"bench:{older}"
    assert (tmp_path / "iter_10.pth.refused").exists()
    assert not newer.exists()
    assert "iter_10.pth: was changed after it was written: its digest does not fit" in caplog.text


def test_one_that_nobody_vouches_for_is_not_used(network, tmp_path, caplog):
    """Its process was killed before the digest was written, perhaps within the checkpoint."""
    older, newer = tmp_path / "iter_2.pth", tmp_path / "iter_10.pth"
    store(network, older)
    store(network, newer)
    digest_of(newer).unlink()
    assert usable_checkpoint(tmp_path, network) == f"bench:{older}"
    assert (tmp_path / "iter_10.pth.refused").exists()
    assert "iter_10.pth: has no digest beside it" in caplog.text


@pytest.mark.parametrize("digest", [b"", b"\xff\xfe", b"0" * 64])
def test_one_whose_digest_is_damaged_is_not_used(network, tmp_path, digest):
    store(network, tmp_path / "iter_2.pth")
    digest_of(tmp_path / "iter_2.pth").write_bytes(digest)
    assert usable_checkpoint(tmp_path, network) is None
    assert (tmp_path / "iter_2.pth.refused").exists()


def test_a_training_writes_them_and_removes_them_at_its_end(bench, file, tmp_path):  # noqa: F811
    torch.set_num_threads(1)
    work = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        run(bench, build(bench, file, 0.0), work, [Interrupt(at=7)])
    checkpoints = sorted(work.glob("iter_*.pth"))
    assert [path.name for path in checkpoints] == ["iter_4.pth", "iter_6.pth"]
    for path in checkpoints:
        assert digest_of(path).read_text() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert run(bench, build(bench, file, 0.0), work).continued_from == 6
    assert names(work) == []


def test_a_training_goes_on_from_the_older_one_if_the_newer_was_changed(bench, file, tmp_path):  # noqa: F811
    torch.set_num_threads(1)
    whole = build(bench, file, 0.5)
    expected = run(bench, whole, tmp_path / "whole")
    work = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        run(bench, build(bench, file, 0.5), work, [Interrupt(at=15)])
    newest = work / "iter_14.pth"
    weights = load_checkpoint(newest)["state_dict"]
    flip_a_bit_of(max(weights.values(), key=torch.numel), newest)
    continued = build(bench, file, 0.5)
    outcome = run(bench, continued, work)
    assert outcome.continued_from == 12
    assert (outcome.iterations, outcome.final_loss) == (expected.iterations, expected.final_loss)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name
    assert names(work) == ["iter_14.pth.refused"]


def test_a_checkpoint_that_is_written_again_gets_a_digest_of_its_own(bench, file, tmp_path):  # noqa: F811
    """One of an earlier try, of a checkpoint that was refused or removed since, says nothing of it."""
    torch.set_num_threads(1)
    work = tmp_path / "work"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(bench, build(bench, file, 0.0), work, [Interrupt(at=7)])
        checkpoints = sorted(work.glob("iter_*.pth"))
        assert [path.name for path in checkpoints] == ["iter_4.pth", "iter_6.pth"]
        for path in checkpoints:
            assert digest_of(path).read_text() == hashlib.sha256(path.read_bytes()).hexdigest(), path.name
        for path in checkpoints:
            with path.open("ab") as stream:
                stream.write(b"more")
    assert usable_checkpoint(work, build(bench, file, 0.0)) is None
