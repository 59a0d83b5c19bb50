#!/usr/bin/env python3
"""Packs an image as `docker save` would, out of programs of this machine with the libraries that they load.

image.py OUT.tar NAME:TAG PROGRAM=PATH... [-- ENTRYPOINT...]; needs no engine. The same files give the same image.
"""
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

USER = 65532


def libraries(program):
    """The libraries and the loader of a program, by where it looks for them; none of a static one."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [path for path in re.findall(r"(/\S+) \(0x", told)]


def add(archive, path, content, mode=0o644):
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def layer(programs):
    files = {}
    for source, path in programs:
        files[path] = (source, 0o755)
        files.update({library: (library, 0o755) for library in libraries(source)})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted(files):
            source, mode = files[path]
            with open(os.path.realpath(source), "rb") as file:
                add(archive, path, file.read(), mode)
    return out.getvalue()


def main(out, name, *rest):
    cut = rest.index("--") if "--" in rest else len(rest)
    content = layer([item.split("=", 1) for item in rest[:cut]])
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "config": {"User": f"{USER}:{USER}", "Env": ["PATH=/"], "Entrypoint": list(rest[cut + 1:])},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
    }).encode()
    digest = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar.gz"]}]
    with tarfile.open(out, "w") as archive:
        add(archive, f"{digest}.json", config)
        add(archive, "layer.tar.gz", gzip.compress(content, 1, mtime=0))
        add(archive, "manifest.json", json.dumps(manifest).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
