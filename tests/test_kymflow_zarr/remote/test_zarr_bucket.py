"""A dataset in an S3 bucket, of a server on this machine."""

import shutil
import urllib.request
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset
from kymflow_zarr.download import download_dataset
from kymflow_zarr.errors import DatasetNotFoundError, RemoteError
from kymflow_zarr.layout import FILE_LIST

obstore = pytest.importorskip("obstore")
moto = pytest.importorskip("moto", reason="the bucket is moto's (dependency group `peers`)")
pytest.importorskip("flask_cors", reason="moto's server needs it")

pytestmark = pytest.mark.trials  # it starts a program's worth of packages

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=t/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a server that speaks S3, with an empty bucket `labs`; the environment names it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with redirect_stdout(StringIO()):
        server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/labs", method="PUT", headers=SIGNED)).close()
    yield address
    server.stop()


@pytest.fixture(autouse=True)
def environment(endpoint, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(scope="module")
def uploaded(template, endpoint, tmp_path_factory) -> ZarrDataset:
    """A dataset on a disk, which is in the bucket as `listed.zarr`, and without its list as `unlisted.zarr`."""
    from obstore.store import S3Store

    local = ZarrDataset(shutil.copytree(template, tmp_path_factory.mktemp("uploaded") / "lab.zarr"))
    local.save_file_list()
    for name in ("listed.zarr", "unlisted.zarr"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", endpoint)
            keys = {"access_key_id": "testing", "secret_access_key": "testing", "region": "us-east-1"}
            store = S3Store("labs", prefix=f"mouse 7/{name}", config=keys, client_options={"allow_http": True})
            for path in local.path.rglob("*"):
                key = path.relative_to(local.path).as_posix()
                if path.is_file() and not (name == "unlisted.zarr" and key == FILE_LIST):
                    obstore.put(store, key, path.read_bytes())
    return local


@pytest.mark.parametrize("name", ["listed.zarr", "unlisted.zarr"])
class TestBucket:
    @pytest.fixture
    def there(self, uploaded, name) -> ZarrDataset:
        return ZarrDataset(f"s3://labs/mouse 7/{name}", mode="r")

    def test_its_records_are_those_on_the_disk(self, there, uploaded):
        fields = ("image_id", "axes", "shape", "name", "newest_revision", "problem")
        found, expected = (
            [[getattr(one, field) for field in fields] for one in dataset.load_manifest().entries]
            for dataset in (there, uploaded)
        )
        assert found == expected

    def test_its_tables_are_those_on_the_disk(self, there, uploaded):
        assert there.list_table_names() == uploaded.list_table_names()
        assert all(there.load_table(one).equals(uploaded.load_table(one)) for one in there.list_table_names())

    def test_a_record_is_that_on_the_disk(self, there, uploaded):
        (image_id,) = there.list_image_ids()
        found, expected = there.record(image_id), uploaded.record(image_id)
        assert np.array_equal(found.load_array(), expected.load_array())
        assert found.load_metadata_payload() == expected.load_metadata_payload()
        assert found.load_json("heart/rate") == expected.load_json("heart/rate")
        assert found.load_df_parquet("radon_report").equals(expected.load_df_parquet("radon_report"))
        assert np.array_equal(found.load_array_artifact("roi_mask_1"), expected.load_array_artifact("roi_mask_1"))

    def test_a_copy_of_it_is_sound(self, there, tmp_path):
        download_dataset(there.location, tmp_path / "copy.zarr")
        assert ZarrDataset(tmp_path / "copy.zarr").verify(deep=True).problems == ()


def test_with_a_list_of_files_a_bucket_is_opened_with_two_requests(uploaded, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.remote.opening._kept", OrderedDict())
    assert ZarrDataset("s3://labs/mouse 7/listed.zarr", mode="r")._blobs.objects.requests == 2


def test_part_of_a_large_file_is_read_alone(uploaded, monkeypatch):
    monkeypatch.setattr("kymflow_zarr.remote.objects.WHOLE_BYTES", 10)
    monkeypatch.setattr("kymflow_zarr.remote.objects.PART_BYTES", 16)
    monkeypatch.setattr("kymflow_zarr.remote.blobs.WHOLE_BYTES", 10)
    blobs = ZarrDataset("s3://labs/mouse 7/listed.zarr", mode="r")._blobs
    assert blobs.read_part("tables/events.parquet", 0, 4) == b"PAR1"


def test_an_empty_place_of_a_bucket_is_no_dataset(endpoint):
    with pytest.raises(DatasetNotFoundError, match="there is nothing at s3://labs/no"):
        ZarrDataset("s3://labs/no", mode="r")


def test_a_bucket_that_is_not_there_is_named(endpoint):
    with pytest.raises(
        RemoteError, match=r"s3://nobody/lab\.zarr could not be read .*404 Not Found\).* look at the address"
    ):
        ZarrDataset("s3://nobody/lab.zarr", mode="r")


def test_a_server_that_is_not_there_is_no_missing_bucket(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RemoteError, match="could not be read"):
        ZarrDataset("s3://labs/mouse 7/listed.zarr", mode="r")


def test_without_keys_a_bucket_that_is_not_public_is_refused_and_not_missing(uploaded, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(
        RemoteError, match=r"was refused by the server .* for a bucket that is not public set AWS_ACCESS_KEY_ID"
    ):
        ZarrDataset("s3://labs/mouse 7/listed.zarr", mode="r")
