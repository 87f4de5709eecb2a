"""The page that a run keeps: beside the plan's frame, wherever frames rest."""

import stat
from pathlib import Path

import pytest
from upath import UPath

from swit_provisioning.defs.planning_assets import keep_page
from swit_provisioning.operations.plan_page import write_private
from swit_provisioning.settings import Settings


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_page_in_a_folder_is_readable_by_this_account_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("FRAMES_BASE_PATH", f"{scheme}{tmp_path}")
    kept = keep_page(Settings.load(), "run-1", "<p>héllo")
    file = tmp_path / "change_plan" / "run-1.html"
    assert file.read_text(encoding="utf-8") == "<p>héllo"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(kept.value).endswith(str(file))


def test_a_page_in_an_object_store_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMES_BASE_PATH", "memory://frames")
    kept = keep_page(Settings.load(), "run-1", "<p>héllo")
    assert str(kept.value) == "memory://frames/change_plan/run-1.html"
    assert UPath(str(kept.value)).read_text(encoding="utf-8") == "<p>héllo"


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text("before", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "half of it \ud800")
    assert file.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_writing_through_a_link_replaces_its_target(tmp_path: Path) -> None:
    file, link = tmp_path / "plan.html", tmp_path / "link.html"
    file.write_text("before", encoding="utf-8")
    link.symlink_to(file)
    write_private(link, "after")
    assert link.is_symlink()
    assert file.read_text(encoding="utf-8") == "after"
