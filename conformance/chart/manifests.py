"""The plain manifests in k8s/: what the chart makes of the values below, without what only Helm needs."""

import chart

SECRETS = {"existingSecret": "fanfare", "existingSecretKeys": ["token.hmac_secret", "api.key", "redis.password"]}
BASE = SECRETS | {"config": {"redis": {"url": "redis://fanfare-redis:6379"}}}
TRIAL = SECRETS | {"redis": {"enabled": True}}
OF_HELM = ("helm.sh/chart: ", "app.kubernetes.io/managed-by: ")
HEAD = "# Generated from helm/fanfare: `make manifests`. Change it with a kustomization of your own.\n"


def files():
    """The generated files' texts by their paths."""
    def is_redis(text):
        return "app.kubernetes.io/component: redis" in text
    base = plain(BASE)
    trial = [text for text in plain(TRIAL) if is_redis(text)]
    return {chart.ROOT / "k8s" / "base" / "fanfare.yaml": HEAD + "---\n".join(base),
            chart.ROOT / "k8s" / "trial" / "redis.yaml": HEAD + "---\n".join(trial)}


def plain(values):
    documents = []
    for text in chart.texts(values, name="fanfare", namespace="default"):
        if "helm.sh/hook" in text:
            continue
        lines = [line for line in text.splitlines(keepends=True) if not line.strip().startswith(OF_HELM)]
        documents.append("".join(lines))
    # One order, whichever engine rendered them.
    return sorted(documents)


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
