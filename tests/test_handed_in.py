"""Who handed in what: names from files, folders, patterns and tables; the latest counts; archives are read, not believed."""

import io
import os
import struct
import zipfile

import grading
import pytest

from course_utils import work
from course_utils.grade import handed_in
from course_utils.grade.handed_in import NotHandedIn, collect, latest

BLANK = grading.notebook("x = 1")


def put(folder, *names, at=None):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BLANK)
        if at is not None:
            os.utime(path, (at, at))


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)) if isinstance(name, str) else name, data)
    return path


def students(*args, **options):
    return [one.student for one in collect([str(arg) for arg in args], **options)]


def test_the_name_is_the_files_unless_all_files_are_called_alike(tmp_path):
    put(tmp_path / "a", "alice.ipynb", "bob.ipynb")
    put(tmp_path / "b", "carol/01.ipynb", "dave/01.ipynb", "dave/.ipynb_checkpoints/01.ipynb", "notes.txt")
    assert students(tmp_path / "a") == ["alice", "bob"]
    assert students(tmp_path / "b") == ["carol", "dave"]
    assert students(tmp_path / "a" / "alice.ipynb") == ["alice"]


def test_a_pattern_finds_the_name_in_the_path(tmp_path):
    put(tmp_path, "hw1_alice_2026-11-21.ipynb", "hw1_bob_x.ipynb", "odd.ipynb")
    assert students(tmp_path, pattern=r"hw1_(?P<student>[^_]+)_") == ["alice", "bob", "odd"]


@pytest.mark.parametrize(
    ("pattern", "says"), [("(", "no regular expression"), ("(x)", r"needs a group \(\?P<student>")]
)
def test_a_pattern_that_can_not_work_is_refused(tmp_path, pattern, says):
    put(tmp_path, "a.ipynb")
    with pytest.raises(NotHandedIn, match=says):
        students(tmp_path, pattern=pattern)


def test_a_table_gives_names_by_path_file_stem_or_what_the_pattern_found(tmp_path):
    put(tmp_path / "in", "s1.ipynb", "s2_x.ipynb", "s3.ipynb", "s4.ipynb")
    roster = tmp_path / "class.csv"
    roster.write_text("\ufefffile,student\ns1,Alice\ns2,Bob\nin/s3.ipynb,Carol\n", encoding="utf-8")
    assert students(tmp_path / "in", roster=str(roster), pattern=r"(?P<student>s\d)") == ["Alice", "Bob", "Carol", "s4"]


@pytest.mark.parametrize("text", ["", "name,mail\na,b\n", None])
def test_a_table_without_the_columns_is_refused(tmp_path, text):
    put(tmp_path, "a.ipynb")
    if text is not None:
        (tmp_path / "class.csv").write_text(text)
    with pytest.raises(NotHandedIn, match="roster"):
        students(tmp_path, roster=str(tmp_path / "class.csv"))


def test_the_latest_counts_by_the_time_in_the_name_or_of_the_file(tmp_path):
    put(tmp_path, "ann_2026-11-20T10:30:00.ipynb", "ann_20261121-0930.ipynb", "ann_2026-11-21-09-31-05.ipynb")
    put(tmp_path, "bob_b.ipynb", at=1_000)
    put(tmp_path, "bob_a.ipynb", at=2_000)
    found = latest(collect([str(tmp_path)], pattern=r"/(?P<student>[a-z]+)_"))
    assert found["ann"].path.endswith("09-31-05.ipynb")
    assert found["bob"].path.endswith("bob_a.ipynb")


@pytest.mark.parametrize("name", ["x_99999999.ipynb", "x_20269999.ipynb", "x_2026-13-45T99:99.ipynb"])
def test_a_number_that_is_no_time_is_none(name):
    assert handed_in._time_in(name) is None


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(NotHandedIn, match="no notebook"):
        collect([str(tmp_path)])
    with pytest.raises(NotHandedIn, match="no file or folder"):
        collect([str(tmp_path / "nowhere")])


def test_an_archive_is_read_without_being_unpacked(tmp_path):
    archive(
        tmp_path / "class.zip",
        {"ann/01.ipynb": BLANK, "bob/01.ipynb": BLANK, "__MACOSX/ann/._01.ipynb": b"", "a.txt": b""},
    )
    found = collect([str(tmp_path)])
    assert [(one.student, one.data, one.trouble) for one in found] == [("ann", BLANK, ""), ("bob", BLANK, "")]
    assert [path.name for path in tmp_path.rglob("*")] == ["class.zip"]
    assert found[0].at == 1767323046.0


@pytest.mark.parametrize(
    "name", ["../../evil.ipynb", "/etc/evil.ipynb", "a/../../evil.ipynb", "C:/evil.ipynb", "..\\evil.ipynb"]
)
def test_a_name_that_leads_out_of_an_archive_is_refused(tmp_path, name):
    (found,) = collect([str(archive(tmp_path / "a.zip", {name: BLANK}))])
    assert found.data == b""
    assert "leads out" in found.trouble


def test_a_bomb_in_an_archive_does_not_explode(tmp_path, monkeypatch):
    monkeypatch.setattr(handed_in, "LARGEST", 1_000_000)
    bomb = archive(tmp_path / "a.zip", {"big.ipynb": bytes(30_000_000), "good.ipynb": BLANK})
    data = bytearray(bomb.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)  # it lies about its size
    bomb.write_bytes(data)
    found = {one.student: one for one in collect([str(bomb)])}
    assert found["good"].data == BLANK
    assert found["big"].data == b""
    assert found["big"].trouble


def test_all_members_together_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(handed_in, "MOST_BYTES", len(BLANK) + 5)
    monkeypatch.setattr(handed_in, "MOST_MEMBERS", 2)
    found = collect([str(archive(tmp_path / "a.zip", {f"{name}.ipynb": BLANK for name in "abc"}))])
    assert [bool(one.data) for one in found if one.student in "abc"].count(True) == 1
    assert any("more than 2 files" in one.trouble for one in found)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", os.urandom(300)])
def test_a_broken_archive_is_a_trouble_and_no_crash(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    (found,) = collect([str(tmp_path / "a.zip")])
    assert "can't be read" in found.trouble


def test_a_damaged_member_costs_only_itself(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as stored:
        stored.writestr("a.ipynb", BLANK)
        stored.writestr("b.ipynb", BLANK)
    (tmp_path / "a.zip").write_bytes(made.getvalue().replace(BLANK, BLANK[:-1] + b"!", 1))
    found = {one.student: one.trouble for one in collect([str(tmp_path / "a.zip")])}
    assert "damaged" in found["a"]
    assert found["b"] == ""


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path):
    put(tmp_path, "secret.ipynb", "in/mine.ipynb")
    (tmp_path / "in" / "theirs.ipynb").symlink_to(tmp_path / "secret.ipynb")
    assert students(tmp_path / "in") == ["mine"]


def test_notebooks_are_kept_small_and_come_back_whole(tmp_path):
    data = (work.ROOT / "solutions/01_why_streaming_matters.ipynb").read_bytes()
    (tmp_path / "ann.ipynb").write_bytes(data)
    (found,) = collect([str(tmp_path)])
    assert found.data == data
    assert len(found.packed) < len(data) / 3


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(handed_in, "LARGEST", 10)
    put(tmp_path, "a.ipynb")
    (found,) = collect([str(tmp_path)])
    assert "MB" in found.trouble
