#!/usr/bin/env python3
"""Bring the sources that sources.txt pins into a folder.

    fetch.py [--unpack DIR] CACHE NAME...

Each NAME's archive ends up in CACHE, under its SHA-256, and with --unpack its
contents in DIR/NAME. A file already in CACHE is used if its SHA-256 is right;
otherwise every location is tried in turn. Only Python's own library is used,
so that neither curl nor xz need be installed.
"""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
APT_HELPER = "/usr/lib/apt/apt-helper"

# A network that drops packets silently must not hold up the build for long.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 60


def pinned(name):
    """The (version, sha256, location) lines for one source."""
    found = []
    for line in (HERE / "sources.txt").read_text().splitlines():
        fields = line.split("#", 1)[0].split()
        if fields and fields[0] == name:
            found.append(tuple(fields[1:]))
    if not found:
        sys.exit(f"fetch: sources.txt does not name {name}")
    return found


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def apt_mirrors():
    """Base URLs of the package mirrors this machine's apt is configured with."""
    bases = []
    # Before the first "apt-get update" this prints nothing, hence the files.
    if shutil.which("apt-get"):
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
            capture_output=True, text=True, check=False)
        bases += listing.stdout.split()
    etc = pathlib.Path("/etc/apt")
    lists = [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]
    for path in filter(pathlib.Path.is_file, lists):
        bases += re.findall(r"^\s*deb(?:-src)?\s+(?:\[[^]]*\]\s+)?(\S+)", path.read_text(), re.M)
    for path in sorted(etc.glob("sources.list.d/*.sources")):
        for value in re.findall(r"^URIs:((?:.*\n?)(?:[ \t]+.*\n?)*)", path.read_text(), re.M | re.I):
            bases += value.split()
    bases = [base.rstrip("/") + "/" for base in bases if base.startswith(("http://", "https://"))]
    return list(dict.fromkeys(bases))


def download(url, path):
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    if parts.scheme not in proxies or urllib.request.proxy_bypass(parts.hostname):
        socket.create_connection((parts.hostname, parts.port or 443), CONNECT_TIMEOUT).close()
    request = urllib.request.Request(url, headers={"User-Agent": "mp3converter-build"})
    with urllib.request.urlopen(request, timeout=READ_TIMEOUT) as reply, open(path, "wb") as file:
        shutil.copyfileobj(reply, file)


def download_from_apt(base, pool_path, path):
    # apt's own helper knows the proxies and credentials apt is configured with.
    url = base + urllib.parse.quote(pool_path, safe="/+~")
    done = subprocess.run([APT_HELPER, "download-file", url, path],
                          capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise OSError(errors[0] if errors else f"apt-helper ended with {done.returncode}")


def attempts(location):
    """(what to call it, how to download it) for every place a location stands for."""
    if not location.startswith("apt:"):
        yield location, lambda path: download(location, path)
    elif os.access(APT_HELPER, os.X_OK):
        pool_path = location.removeprefix("apt:")
        for base in apt_mirrors():
            yield (f"{pool_path} on apt's mirror {base}",
                   lambda path, base=base: download_from_apt(base, pool_path, path))


def fetch(name, cache):
    """The path of the archive of one source."""
    for _, digest, _ in pinned(name):
        path = cache / digest
        if path.is_file() and sha256(path) == digest:
            return path
    failures = []
    for version, digest, location in pinned(name):
        for what, get in attempts(location):
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                part = os.path.join(folder, "part")
                try:
                    get(part)
                    got = sha256(part)
                except (OSError, ValueError, subprocess.TimeoutExpired) as err:
                    failures.append(f"  {what}: {err}")
                    continue
                if got != digest:
                    failures.append(f"  {what}: SHA-256 is {got}, not {digest}")
                    continue
                os.replace(part, cache / digest)
                print(f"fetch: {name} {version} from {what}", file=sys.stderr)
                return cache / digest
    sys.exit("\n".join([f"fetch: no copy of {name} {pinned(name)[0][0]} could be had:", *failures,
                        f"Put the file into {cache} under its SHA-256 (see sources.txt) as a last resort."]))


def unpack(archive, folder):
    """The archive's one top folder becomes folder."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(scratch, filter="data")
            else:
                tar.extractall(scratch)  # the SHA-256 has vouched for it
        (top,) = os.listdir(scratch)
        os.rename(os.path.join(scratch, top), folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unpack", type=pathlib.Path, metavar="DIR")
    parser.add_argument("cache", type=pathlib.Path)
    parser.add_argument("name", nargs="+")
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    for name in args.name:
        archive = fetch(name, args.cache)
        if args.unpack:
            args.unpack.mkdir(parents=True, exist_ok=True)
            unpack(archive, args.unpack / name)


if __name__ == "__main__":
    main()
