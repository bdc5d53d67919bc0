"""Where a codec's published weights are: a path, the local cache of the Hugging Face hub, or the hub itself.

Only safetensors files are read: loading a pickle would run whatever code it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainables.errors import InputError


@dataclass(frozen=True)
class Published:
    """The files of a codec's weights, and the repository of the hub that has them.

    Attributes:
        codec: its name in messages.
        repository: hub id, "descript/dac_16khz".
        files: their names; the weights come last, what describes them before.
        landmarks: names of parameters that only the weights of this codec have.
    """

    codec: str
    repository: str
    files: tuple[str, ...]
    landmarks: frozenset[str]

    @property
    def how_to_get(self) -> str:
        """A clause that says where the weights come from, for the end of an error message."""
        names = " and ".join(self.files)
        return (
            f"it needs the file{'s' * (len(self.files) > 1)} {names} of {self.repository}: on a machine with "
            f"network run `huggingface-cli download {self.repository} {' '.join(self.files)}` and give the "
            "path it prints as --weights PATH"
        )

    def find(self, weights: str | None) -> tuple[tuple[Path, ...], str]:
        """Paths of the files, in the order of ``files``, and the path or hub id that finds them again.

        Args:
            weights: a folder with the files, the weights file itself, a hub id, or None for ``repository``.

        Raises:
            InputError: they are not there, or the hub is out of reach.
        """
        if weights is None:
            return self._from_hub(self.repository), self.repository
        path = Path(weights).expanduser()
        missing = path
        if path.exists():
            files = self._in_folder(path) if path.is_dir() else self._beside(path)
            absent = [file for file in files if not file.is_file()]
            if not absent:
                return files, str(path.absolute() if path.is_dir() else files[-1])
            missing = absent[0]
        elif weights.count("/") == 1 and not path.suffix and not path.parent.exists():
            return self._from_hub(weights), weights
        raise InputError(f"weights {weights} of {self.codec}: there is no file {missing}; {self.how_to_get}")

    def note(self, file: Path) -> str:
        """The note in the header of a weights file, "random weights"; empty where there is none.

        It is in the file and not beside it, so that a copy of the weights cannot lose it.

        Raises:
            InputError: the file is no safetensors file, or holds another model.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, "numpy") as weights:
                if not self.landmarks <= set(weights.keys()):
                    raise self.foreign(file)
                return (weights.metadata() or {}).get("note", "")
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"weights file {file} is no safetensors file ({error}); {self.how_to_get}"
            ) from error

    def foreign(self, file: Path) -> InputError:
        """The error to raise for a file that holds another model."""
        return InputError(f"weights file {file} holds another model than {self.codec}; {self.how_to_get}")

    def _in_folder(self, folder: Path) -> tuple[Path, ...]:
        # absolute(), not resolve(): in the hub's cache the names with the suffixes are links to hashes.
        return tuple((folder / name).absolute() for name in self.files)

    def _beside(self, file: Path) -> tuple[Path, ...]:
        return (*self._in_folder(file.parent)[:-1], file.absolute())

    def _from_hub(self, repository: str) -> tuple[Path, ...]:
        """Files from the local cache, or else from the hub.

        The hub is asked first whether it has the repository, without the client's 25 s of retries.
        """
        import huggingface_hub
        from huggingface_hub.errors import LocalEntryNotFoundError

        def fetched(local: bool) -> tuple[Path, ...]:
            download = huggingface_hub.hf_hub_download
            return tuple(Path(download(repository, name, local_files_only=local)) for name in self.files)

        try:
            try:
                return fetched(local=True)
            except LocalEntryNotFoundError:
                huggingface_hub.model_info(repository, timeout=10)
                return fetched(local=False)
        except (OSError, ValueError) as error:
            reason = f"{repository} is out of reach: {type(error).__name__}"
            raise InputError(f"{self.codec} has no weights ({reason}); {self.how_to_get}") from error
