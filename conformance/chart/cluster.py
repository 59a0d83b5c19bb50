"""A cluster that has nothing but the objects it is given: enough for `helm template --dry-run=server` to look them up."""

import contextlib
import http.server
import json
import pathlib
import tempfile
import threading

VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0"}
# Those that the chart looks up, by the path that they are listed at.
RESOURCES = {"/api/v1": {"ConfigMap": "configmaps", "Secret": "secrets"}, "/apis/apps/v1": {"Deployment": "deployments"}}


@contextlib.contextmanager
def serving(objects, namespace):
    """The path of a configuration that leads to a cluster with these objects: what they say, by kind and name."""
    answers = discovery()
    for path, plurals in RESOURCES.items():
        version = path.split("/", 2)[2]
        for (kind, name), content in objects.items():
            if kind in plurals:
                found = {"apiVersion": version, "kind": kind, "metadata": {"name": name}} | content
                answers[f"{path}/namespaces/{namespace}/{plurals[kind]}/{name}"] = found

    class Requests(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = answers.get(self.path.split("?")[0])
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer or {"kind": "Status", "apiVersion": "v1", "status": "Failure",
                                                   "reason": "NotFound", "code": 404}).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server, \
            tempfile.TemporaryDirectory() as directory:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = pathlib.Path(directory) / "config"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "users": [{"name": "it", "user": {}}],
            "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}]}))
        try:
            yield str(path)
        finally:
            server.shutdown()


def discovery():
    """What a cluster says of the kinds that it knows."""
    answers = {"/version": VERSION, "/api": {"kind": "APIVersions", "versions": ["v1"]}}
    version = {"groupVersion": "apps/v1", "version": "v1"}
    answers["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
        {"name": "apps", "versions": [version], "preferredVersion": version}]}
    for path, plurals in RESOURCES.items():
        answers[path] = {"kind": "APIResourceList", "groupVersion": path.split("/", 2)[2], "resources": [
            {"name": plural, "kind": kind, "namespaced": True, "verbs": ["get"]} for kind, plural in plurals.items()]}
    return answers
