"""Bytes in Azure Blobs (Azurite locally)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.azure_errors import ONCE, RETRIES, client_options, error_code, translated
from shared.adapters.storage_rules import require_blob_name, require_container
from shared.contracts.settings import StorageSettings
from shared.core.errors import ConflictError
from shared.ports import Stored

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient


class AzureBlobs:
    """`BlobStore` on azure-storage-blob. One pooled session serves all; a missing container is created by a write.

    Parameters
    ----------
    settings : StorageSettings
        A connection string, or an account name that is entered with the identity the app runs under.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._service = _service(settings)
        self._clients: dict[str, ContainerClient] = {}

    def ensure(self, containers: Iterable[str]) -> None:
        """Create those containers that are missing."""
        for container in containers:
            self._create(self._client(container))

    def get(self, container: str, name: str) -> Stored[bytes] | None:
        """Return a blob or None."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        require_blob_name(name)
        client = self._client(container)
        with translated(f"get {container}/{name}"):
            try:
                download = client.download_blob(name)
                return Stored(value=download.readall(), etag=str(download.properties.etag))
            except ResourceNotFoundError:
                return None

    def put(self, container: str, name: str, data: bytes) -> None:
        """Write, replacing what stands there."""
        require_blob_name(name)
        client = self._client(container)
        with translated(f"put {container}/{name}"):
            self._write(client, lambda: client.upload_blob(name, data, overwrite=True))

    def insert(self, container: str, name: str, data: bytes) -> bool:
        """Write if absent. Return False, having changed nothing, where the blob exists already."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        require_blob_name(name)
        client = self._client(container)
        with translated(f"insert {container}/{name}"):
            try:
                self._write(client, lambda: client.upload_blob(name, data, overwrite=False, **ONCE))
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
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        client = self._client(container)
        with translated(f"list {container}/{prefix}*"):
            try:
                return sorted(client.list_blob_names(name_starts_with=prefix or None))
            except ResourceNotFoundError:
                return []

    def _client(self, container: str) -> ContainerClient:
        client = self._clients.get(container)
        if client is None:
            require_container(container)
            client = self._clients[container] = self._service.get_container_client(container)
        return client

    def _write(self, client: ContainerClient, write: Callable[[], Any]) -> None:
        """Write; a 404 can only mean that the container is missing."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - not on the cold path

        try:
            write()
        except ResourceNotFoundError:
            self._create(client)
            write()

    @staticmethod
    def _create(client: ContainerClient) -> None:
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - not on the cold path

        with translated(f"create container {client.container_name}"):
            try:
                client.create_container()
            except ResourceExistsError as error:
                if error_code(error) != "ContainerAlreadyExists":
                    raise


def _service(settings: StorageSettings) -> BlobServiceClient:
    from azure.storage.blob import BlobServiceClient, LinearRetry  # noqa: PLC0415 - a quarter of a second of imports

    retry = LinearRetry(backoff=1, retry_total=RETRIES, random_jitter_range=0)
    options = {**client_options(), "retry_policy": retry}
    if settings.connection:
        return BlobServiceClient.from_connection_string(settings.connection, **options)
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where there is an identity

    endpoint = f"https://{settings.account_name}.blob.core.windows.net"
    return BlobServiceClient(endpoint, credential=DefaultAzureCredential(), **options)
