"""What an ingest has to do with videos in a bucket: what is new is downloaded while planning."""

from pathlib import Path

from flows.ingest_plan import IngestPlan, LeftClip, PlannedClip, plan_of, unreadable_clip
from flows.options import IngestOptions
from flows.progress import counter, say
from pipeline.video.hash_cache import Entry, HashCache, cache_folder
from pipeline.video.hashed_files import hash_files
from pipeline.video.sources import SourceClip, clip_named
from pipeline.video.stamps import is_racy
from storage.bucket_videos import BucketVideo, Fetched, copy_path, fetch_all, list_videos_in, sweep
from storage.lineage import sha256_text
from storage.location import locate
from storage.patience import patiently

DOWNLOADS = "downloads"

_Found = dict[str, Fetched]
"""What is known of each object, by address."""


def plan_bucket(options: IngestOptions, known: frozenset[str], cache: HashCache) -> IngestPlan:
    """List a bucket, and download what may be new.

    An object whose size and time are those of one that was downloaded before is not downloaded
    again while the data set holds its content.

    Args:
        options: `videos` is an address.
        known: Content hashes that are done.
        cache: Hashes of objects seen before.

    Raises:
        ValueError: There is no video there.
        StoreError: The bucket cannot be read, or the copies cannot be kept.
    """
    videos = patiently(lambda: list_videos_in(options.videos), say)
    folder = downloads_of(options)
    cached = cache.find((video.url, video.stamp) for video in videos)
    found: _Found = {
        video.url: Fetched(video, cached[video.url])
        for video in videos
        if cached.get(video.url) in known
    }
    rest = [video for video in videos if video.url not in found]
    found |= _copied_before(rest, folder, cache)
    _download([video for video in rest if video.url not in found], folder, cache, found)
    plan = plan_of([_clip(found[video.url], folder) for video in videos], known, cache.problems)
    sweep(folder, keep=_copies(options, videos, folder, plan))
    return plan


def downloads_of(options: IngestOptions) -> Path:
    """The folder of an ingest's copies: ingests into different stores share none."""
    identity = "\n".join((options.videos, str(locate(options.out)), options.dataset))
    return cache_folder() / DOWNLOADS / sha256_text(identity)[:16]


def _copied_before(videos: list[BucketVideo], folder: Path, cache: HashCache) -> _Found:
    """Copies that a stopped run left, or `--keep-downloads`."""
    there = {copy_path(video, folder): video for video in videos}
    paths = [path for path in there if path.is_file()]
    return {
        there[file.path].url: Fetched(there[file.path], file.sha256, file.stamp)
        for file in hash_files(paths, cache)
        if file.sha256 is not None
    }


def _download(videos: list[BucketVideo], folder: Path, cache: HashCache, found: _Found) -> None:
    if not videos:
        return
    with counter(len(videos), "download", "video") as bar:
        for fetched in fetch_all(videos, folder):
            found[fetched.video.url] = fetched
            if fetched.sha256 is not None and not is_racy(fetched.video.stamp):
                cache.keep([Entry(fetched.video.url, fetched.video.stamp, fetched.sha256)])
            bar.update()


def _clip(fetched: Fetched, folder: Path) -> PlannedClip | LeftClip:
    source = _source(fetched.video, folder)
    if fetched.sha256 is not None:
        return PlannedClip(source, fetched.sha256, stamp=fetched.copy)
    if fetched.error is not None:
        return unreadable_clip(source, fetched.error)
    return LeftClip(source, fetched.left or "")


def _source(video: BucketVideo, folder: Path) -> SourceClip:
    return clip_named(video.name, copy_path(video, folder), url=video.url)


def _copies(
    options: IngestOptions, videos: list[BucketVideo], folder: Path, plan: IngestPlan
) -> list[Path]:
    """The copies that stay: those to process now, or all."""
    if options.keep_downloads:
        return [copy_path(video, folder) for video in videos]
    return [clip.source.path for clip in plan.pending]
