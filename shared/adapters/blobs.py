"""Bytes in Azure Blobs (Azurite locally)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.adapters.azure_clients import LINEAR, ONCE, NamedClients, service_client
from shared.adapters.azure_errors import error_code, translated, unless_absent
from shared.adapters.storage_rules import require_blob_name, require_container
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from shared.ports import Stored

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class AzureBlobs(NamedClients["ContainerClient"]):
    """`BlobStore` on azure-storage-blob. One pooled session serves all; a missing container is created by a write.

    Parameters
    ----------
    settings : StorageSettings
        A connection string, or an account name that is entered with the identity the app runs under.
    """

    kind = "container"

    def __init__(self, settings: StorageSettings) -> None:
        from azure.storage.blob import BlobServiceClient, LinearRetry  # noqa: PLC0415 - a quarter of a second of imports

        super().__init__()
        retry = LinearRetry(**LINEAR)
        self._service: BlobServiceClient = service_client(BlobServiceClient, settings, "blob", retry_policy=retry)

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        """Return a blob or None."""
        require_blob_name(name)
        client = self._client(container)
        with translated(f"get {container}/{name}"), unless_absent():
            download = client.download_blob(name)
            return Stored(value=download.readall(), etag=str(download.properties.etag))
        return None

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write, replacing what stands there."""
        require_blob_name(name)
        with translated(f"put {container}/{name}"):
            self._write(container, lambda client: client.upload_blob(name, data, overwrite=True))

    def insert(self, container: str, name: str, data: bytes) -> bool:
        """Write if absent. Return False, having changed nothing, where the blob exists already."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        require_blob_name(name)
        with translated(f"insert {container}/{name}"):
            try:
                self._write(container, lambda client: client.upload_blob(name, data, overwrite=False, **ONCE))
            except ResourceExistsError as error:
                if error_code(error) != "BlobAlreadyExists":
                    raise
                return False
        return True

    def replace(self, container: str, name: str, data: bytes, etag: str) -> None:
        """Replace the blob that still carries `etag`. Raises ConflictError where it does not."""
        from azure.core import MatchConditions  # noqa: PLC0415 - not on the cold path
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        require_blob_name(name)
        client = self._client(container)
        tried = f"replace {container}/{name}"
        with translated(tried):
            try:
                client.upload_blob(
                    name, data, overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified, **ONCE
                )
            except ResourceNotFoundError as error:
                raise ConflictError(f"{tried}: the blob is gone") from error

    def names(self, container: str, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        client = self._client(container)
        with translated(f"list {container}/{prefix}*"), unless_absent():
            return sorted(client.list_blob_names(name_starts_with=prefix or None))
        return []

    def _connect(self, name: str) -> ContainerClient:
        require_container(name)
        return self._service.get_container_client(name)

    def _create(self, client: ContainerClient) -> None:
        client.create_container()

    def _is_there(self, error: Exception) -> bool:
        return error_code(error) == "ContainerAlreadyExists"
