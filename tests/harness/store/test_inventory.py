import pytest

from harness.store.inventory import Inventory
from harness.store.layout import Layout

KEY = ("train", "a" * 64)
OTHER = ("train", "b" * 64)


def test_of_no_folder_at_all(tmp_path):
    there = Inventory(Layout(tmp_path / "nowhere"))
    assert not any(look(*KEY) for look in (there.stage, there.failure, there.work, there.lock))


@pytest.mark.parametrize("what", ["stage", "failure", "work"])
def test_what_lies_there_is_known_by_kind_and_identity(tmp_path, what):
    layout = Layout(tmp_path)
    getattr(layout, what)(*KEY).mkdir(parents=True)
    there = Inventory(layout)
    known = {name: getattr(there, name)(*KEY) for name in ("stage", "failure", "work", "lock")}
    assert known == {"stage": False, "failure": False, "work": False, "lock": False, what: True}
    assert not getattr(there, what)(*OTHER)


@pytest.mark.parametrize("holder", ["lock", "lease"])
def test_either_lock_counts(tmp_path, holder):
    layout = Layout(tmp_path)
    path = layout.lock(*KEY, holder)
    path.parent.mkdir(parents=True)
    path.touch()
    there = Inventory(layout)
    assert there.lock(*KEY)
    assert not there.lock(*OTHER)
