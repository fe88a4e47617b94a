"""Rows of received instances: each data set once, found by its study, forgotten with its file."""

import os
import time

import pytest

from host.role_dicom import _sweep
from host.running import prepare_store
from store import dicom
from store.store import Store


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "data"
    from store.connection import store_key

    folder.mkdir()
    store_key(folder)
    prepare_store(folder)
    opened = Store(folder, "dicom")
    yield opened
    opened.close()


def _row(n, digest=b"1"):
    return dicom.InstanceRow(
        sop_class_uid="1.2", sop_instance_uid=f"1.2.3.{n}", study_uid=f"1.2.{n % 2}", series_uid="1.2.4",
        transfer_syntax_uid="1.2.840.10008.1.2", digest=digest, file=f"{n}-{digest[0]}.dcm", offset=300, bytes=900,
        ae_title="ANY", peer="127.0.0.1",
    )  # fmt: skip


def test_a_data_set_is_noted_once_and_a_changed_one_beside_it(store):
    noted = [store.writer.now(lambda tx, row=row: dicom.add(tx, row)) for row in (_row(1), _row(1), _row(1, b"2"))]

    assert noted == [True, False, True]
    assert dicom.of_study(store.connection, "1.2.1") == [_row(1), _row(1, b"2")]
    assert dicom.of_study(store.connection, "1.2.0") == []


def test_what_is_old_is_forgotten_in_batches_and_names_its_files(store):
    for n in range(5):
        store.writer.now(lambda tx, n=n: dicom.add(tx, _row(n)))
    batches = [store.writer.now(lambda tx: dicom.forget(tx, time.time() + 1, most=3)) for _ in range(3)]

    assert [len(names) for names in batches] == [3, 2, 0]
    assert dicom.files(store.connection) == set()
    assert store.writer.now(lambda tx: dicom.forget(tx, 0.0)) == []


@pytest.mark.parametrize(
    ("statement", "index"), [(dicom._OF_STUDY, "dicom_instance_study"), (dicom._OLD, "dicom_instance_at")]
)
def test_the_hot_queries_have_their_index(store, statement, index):
    plan = store.connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("1",) * statement.count("?")).fetchall()

    assert index in " ".join(str(line) for line in plan)


def test_a_file_without_a_row_goes_only_when_it_is_old(tmp_path):
    for name in ("old.dcm", "new.dcm", "known.dcm"):
        (tmp_path / name).write_bytes(b"")
    for name in ("old.dcm", "known.dcm"):
        os.utime(tmp_path / name, (0, 0))
    _sweep(tmp_path, {"known.dcm"})

    assert sorted(path.name for path in tmp_path.iterdir()) == ["known.dcm", "new.dcm"]
