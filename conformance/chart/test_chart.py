"""What the chart makes of values, what it refuses, and that Kubernetes, the program and k8s/ agree with it."""

import base64
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

import jsonschema
import yaml
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

import manifests
from chart import CHART, HELM, ROOT, Refused, documents, lint, merged
from cluster import serving

# Those that are supported today, and the chart's oldest.
KUBERNETES_VERSIONS = ["1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
OLDEST_AND_NEWEST = [KUBERNETES_VERSIONS[0], KUBERNETES_VERSIONS[-1]]

SECRETS = {"token": {"hmac_secret": "a-token-secret-of-32-bytes-or-more"}, "api": {"key": "an-api-key"}}
TRIAL = {"redis": {"enabled": True}, "secrets": SECRETS | {"redis": {"password": "a-redis-password"}}}
PRODUCTION = {"config": {"redis": {"url": "rediss://redis.example:6380"}}, "existingSecret": "mine",
              "existingSecretKeys": ["token.public_key", "api.key", "api.keys.ci.key", "redis.password"]}
APIS = ["monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1", "keda.sh/v1alpha1"]
KEDA = {"enabled": True, "provider": "keda", "keda": {"serverAddress": "http://prometheus:9090"}}

# What each switch adds to a trial: as it is, and turned.
SWITCHES = {
    "nothing": {},
    "one node": {"replicaCount": 1, "redis": {"enabled": False}},
    "no secrets": {"secrets": {"token": {"hmac_secret": ""}, "api": {"key": ""}}},
    "no token key": {"secrets": {"token": {"hmac_secret": ""}}},
    "names": {"nameOverride": "push", "fullnameOverride": "a-name-of-more-than-forty-six-letters-in-all-of-it"},
    "image": {"image": {"tag": "sha256:" + 64 * "0", "pullPolicy": "Always"}, "imagePullSecrets": [{"name": "r"}]},
    "node port": {"service": {"type": "NodePort", "nodePort": 30080, "externalTrafficPolicy": "Local"}},
    "load balancer": {"service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}, "appProtocol": ""}},
    "internal": {"internalService": {"port": 80, "annotations": {"a": "b"}}},
    "ingress": {"ingress": {"enabled": True, "className": "nginx", "hosts": ["a.example", "*.b.example"],
                            "annotations": {"a": "b"}, "tls": [{"secretName": "t", "hosts": ["a.example"]}]}},
    "route": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g", "namespace": "n"}], "annotations": {"a": "b"},
                            "hostnames": ["a.example"], "timeouts": {"request": "0s"}}},
    "bare route": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}},
    "hpa": {"autoscaling": {"enabled": True}},
    "hpa with cpu": {"autoscaling": {"enabled": True, "cpu": 80, "behavior": {"scaleUp": {"selectPolicy": "Max"}}}},
    "keda": {"autoscaling": KEDA},
    "keda with more": {"autoscaling": merged(KEDA, {"cpu": 80, "keda": {"query": "sum(x)",
                                                                       "authenticationRef": {"name": "a"}}})},
    "no budget": {"podDisruptionBudget": {"enabled": False}},
    "budget in parts": {"podDisruptionBudget": {"maxUnavailable": "25%"}},
    "policy": {"networkPolicy": {"enabled": True}},
    "policy with peers": {"networkPolicy": {
        "enabled": True, "publicFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "internalFrom": [{"namespaceSelector": {}}], "redisTo": [{"podSelector": {}}],
        "tracingTo": [{"podSelector": {}}], "egress": [{"to": [{"podSelector": {}}]}]}},
    "account": {"serviceAccount": {"create": False, "name": "mine"}},
    "own account": {"serviceAccount": {"name": "mine", "annotations": {"a": "b"}}},
    "monitoring": {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}},
                               "rules": {"enabled": True, "runbooks": "https://a.example/b/", "labels": {"c": "d"}},
                               "dashboards": {"enabled": True, "annotations": {"folder": "f"}}}},
    "strategy": {"strategy": {"maxSurge": "25%", "maxUnavailable": 1}, "minReadySeconds": 0},
    "pods": {"podAnnotations": {"a": "b"}, "podLabels": {"a": "b"}, "nodeSelector": {"a": "b"},
             "tolerations": [{"operator": "Exists"}], "priorityClassName": "high", "affinity": {"nodeAffinity": {}},
             "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
             "podSecurityContext": {"runAsUser": None, "runAsGroup": None,
                                    "sysctls": [{"name": "net.core.somaxconn", "value": "4096"}]},
             "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
             "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}]},
    "no requests": {"resources": {"requests": {"cpu": None, "memory": "1Gi"}, "limits": {"memory": None}}},
    "workers": {"config": {"workers": 3}},
    "no settings": {"config": None, "secrets": None, "networkPolicy": {"enabled": True}},
    "of another chart": {"global": {"a": 1}, "enabled": True},
}
CASES = {name: merged(TRIAL, values, {"apiVersions": APIS}) for name, values in SWITCHES.items()}
CASES["production"] = PRODUCTION
CASES["everything"] = functools.reduce(merged, [CASES[name] for name in SWITCHES if name not in (
    "one node", "no secrets", "no token key", "no settings", "no budget", "account", "keda", "keda with more",
    "bare route")])

# Values on top of a trial, and what is said about them.
MISTAKES = [
    ({"redis": {"enabled": False}}, "replicaCount: 2 nodes without Redis are a split brain"),
    ({"redis": {"enabled": False}, "replicaCount": 1, "autoscaling": {"enabled": True}},
     "autoscaling.enabled: several nodes without Redis are a split brain"),
    ({"config": {"redis": {"url": "redis://r"}}}, "config.redis.url: redis.enabled starts a Redis"),
    ({"config": {"public": {"address": ":1"}}}, "config.public.address: the chart sets it"),
    ({"config": {"internal": {"address": ":1"}}}, "config.internal.address: the chart sets it"),
    ({"config": {"token": {"hmac_secret": "x"}}}, "config.token.hmac_secret: a secret does not belong"),
    ({"config": {"api": {"keys": {"ci": {"key": "x"}}}}}, "config.api.keys.ci.key: a secret does not belong"),
    ({"config": {"api": {"key_file": "/x"}}}, "config.api.key_file: the chart sets it, since secrets has api.key"),
    ({"existingSecret": "mine"}, "existingSecret: secrets.api.key is given too: choose one"),
    ({"existingSecret": "mine", "secrets": {"token": {"hmac_secret": ""}, "api": {"key": ""}, "redis": {"password": ""}}},
     "existingSecretKeys: the trial Redis takes its password from redis.password of mine"),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "podDisruptionBudget.maxUnavailable: 0 would keep"),
    ({"podDisruptionBudget": {"maxUnavailable": "0%"}}, "podDisruptionBudget.maxUnavailable: 0% would keep"),
    ({"strategy": {"maxSurge": "0%"}}, "strategy.maxSurge: with strategy.maxUnavailable 0 too"),
    ({"service": {"nodePort": 30080}}, "service.nodePort: 30080 would be opened on no machine"),
    ({"service": {"externalTrafficPolicy": "Local"}}, "service.externalTrafficPolicy: Local is not for service.type ClusterIP"),
    ({"ingress": {"enabled": True}}, "ingress.hosts: "),
    ({"httpRoute": {"enabled": True}, "apiVersions": APIS}, "httpRoute.parentRefs: "),
    ({"autoscaling": {"enabled": True, "minReplicas": 11}}, "autoscaling.minReplicas: 11 is more than"),
    ({"autoscaling": KEDA | {"keda": {}}, "apiVersions": APIS}, "autoscaling.keda.serverAddress: "),
    ({"autoscaling": KEDA}, "autoscaling.provider: the cluster does not know keda.sh/v1alpha1"),
    ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.serviceMonitor.enabled: the cluster does not know"),
    ({"metrics": {"rules": {"enabled": True}}}, "metrics.rules.enabled: the cluster does not know"),
]
# What the schema says, to `helm lint` too.
BAD_FORMS = [
    ({"config": {"client": {"ping_intervall": "1s"}}}, "at '/config/client'", "'ping_intervall' not allowed"),
    ({"config": {"namespaces": {"chat": {"histori": 1}}}}, "at '/config/namespaces/chat'", "'histori' not allowed"),
    ({"config": {"drain": {"window": "1 minute"}}}, "at '/config/drain/window'", "does not match pattern"),
    ({"config": {"drain": {"window": 10}}}, "at '/config/drain/window'", "value must be 0"),
    ({"config": {"client": {"outbox_size": "1MB"}}}, "at '/config/client/outbox_size'", "does not match pattern"),
    ({"config": {"workers": 2000}}, "at '/config/workers'", "maximum"),
    ({"config": {"connection_limit": 1.5}}, "at '/config/connection_limit'", "want integer"),
    ({"config": {"log": {"level": "loud"}}}, "at '/config/log/level'", "must be one of"),
    ({"config": {"allowed_origins": "*"}}, "at '/config/allowed_origins'", "want array"),
    ({"secrets": {"token": {"audience": "x"}}}, "at '/secrets/token'", "'audience' not allowed"),
    ({"secrets": {"api": {"keys": {"a.b": {"key": "x"}}}}}, "at '/secrets/api/keys'", "a.b"),
    ({"existingSecretKeys": ["token.audience"]}, "at '/existingSecretKeys/0'", "does not match pattern"),
    ({"replicaCount": "two"}, "at '/replicaCount'", "want integer"),
    ({"autoscaling": {"provider": "both"}}, "at '/autoscaling/provider'", "must be one of"),
    ({"fullnameOverride": "my.name"}, "at '/fullnameOverride'", "does not match pattern"),
    ({"fullnameOverride": "name-"}, "at '/fullnameOverride'", "does not match pattern"),
    ({"nameOverride": "1push"}, "at '/nameOverride'", "does not match pattern"),
    ({"metrics": {"rules": {"runbooks": "docs"}}}, "at '/metrics/rules/runbooks'", "does not match pattern"),
    ({"ingress": {"hosts": ["https://a.example"]}}, "at '/ingress/hosts/0'", "does not match pattern"),
]


class Chart(unittest.TestCase):
    def test_every_case_is_without_fault(self):
        for name, values in CASES.items():
            with self.subTest(name):
                self.assertEqual(lint(values), [])

    def test_kubernetes_takes_every_document(self):
        own = json.loads(pathlib.Path("resources.json").read_text())
        plain = [document for text in manifests.files().values() for document in yaml.safe_load_all(text)]
        # The oldest and the newest see all there is, those between them one of everything.
        between = distinct([*rendered("everything"), *rendered("production"), *plain])
        seen = set()
        for text in distinct([*plain, *(document for name in CASES for document in rendered(name))]):
            document = json.loads(text)
            kind = f"{document['apiVersion']} {document['kind']}"
            seen.add(kind)
            with self.subTest(kind):
                if kind in own:
                    jsonschema.validate(document["spec"], own[kind] | {"$defs": own["$defs"]})
                    self.assertEqual(set(document), {"apiVersion", "kind", "metadata", "spec"})
                    continue
                for version in KUBERNETES_VERSIONS if text in between else OLDEST_AND_NEWEST:
                    kubernetes_schema(version, document["apiVersion"], document["kind"]).validate(document)
        kinds = ["v1 Service", "v1 ConfigMap", "v1 Secret", "v1 ServiceAccount", "v1 Pod", "apps/v1 Deployment",
                 "policy/v1 PodDisruptionBudget", "autoscaling/v2 HorizontalPodAutoscaler",
                 "networking.k8s.io/v1 Ingress", "networking.k8s.io/v1 NetworkPolicy",
                 "monitoring.coreos.com/v1 ServiceMonitor", "gateway.networking.k8s.io/v1 HTTPRoute",
                 "keda.sh/v1alpha1 ScaledObject"]
        self.assertLessEqual(set(kinds), seen)

    def test_names_and_labels_fit(self):
        for name in CASES:
            with self.subTest(name):
                kinds_and_names = [(document["kind"], document["metadata"]["name"]) for document in rendered(name)]
                self.assertEqual(len(set(kinds_and_names)), len(kinds_and_names))
                self.assertLessEqual(max(len(name) for _, name in kinds_and_names), 63)

    def test_names_are_those_of_services(self):
        def name(release, values):
            return nodes_of(documents(merged(TRIAL, values), name=release))[0]["metadata"]["name"]
        self.assertEqual(name("fanfare-push", {}), "fanfare-push")
        self.assertEqual(name("rel", {"nameOverride": "push"}), "rel-push")
        for kept, cut in [(46, "b"), (45, "-b"), (44, "--b")]:
            self.assertEqual(name("rel", {"fullnameOverride": kept * "a" + cut}), kept * "a")
        for release in ["1push", "my.push"]:
            self.assertEqual(name(release, {"fullnameOverride": "push"}), "push")
            with self.assertRaisesRegex(Refused, f"fullnameOverride: a Service cannot be called {release}-fanfare"):
                name(release, {})

    def test_the_names_of_pods_are_not_cut(self):
        [nodes] = nodes_of(rendered("names"))
        [keda] = of_kind(documents(merged(CASES["names"], CASES["keda"])), "ScaledObject")
        # A ReplicaSet's hash has ten characters at most. Kubernetes cuts what comes before a pod's own five.
        pod = f"{nodes['metadata']['name']}-{10 * '7'}-"[:58] + "abcde"
        pattern = keda["spec"]["triggers"][0]["metadata"]["query"].split('pod=~"')[1].split('"')[0]
        self.assertRegex(pod, f"^{pattern}$")

    def test_a_mistake_is_refused_with_its_path(self):
        for values, told in MISTAKES:
            with self.subTest(told):
                with self.assertRaises(Refused) as refused:
                    documents(merged(TRIAL, values))
                self.assertIn(told, str(refused.exception))

    def test_a_bad_form_is_refused_with_its_path_and_found_by_lint(self):
        for values, path, told in BAD_FORMS:
            with self.subTest(path):
                with self.assertRaises(Refused) as refused:
                    documents(merged(TRIAL, values))
                for text in [str(refused.exception), "".join(lint(merged(TRIAL, values)))]:
                    self.assertIn(path, text)
                    self.assertIn(told, text)

    def test_quantities_are_those_of_kubernetes(self):
        def resources(quantity):
            return container_of(deployment({"resources": {"requests": {"memory": quantity}}}))["resources"]["requests"]
        for quantity in ["512Ki", "0.5Gi", ".5Gi", "5.", "1e9", "1E+9", "100000m", "3E", "2Ei", "+1G", 536870912, 1.5e9]:
            with self.subTest(quantity):
                self.assertEqual(resources(quantity)["memory"], quantity)
        for quantity in ["512ki", "1.2.3", ".", "Mi", "1 Gi", "1KB", "1mi", "1e", "-1", -1]:
            with self.subTest(quantity), self.assertRaisesRegex(Refused, "at '/resources/requests/memory'"):
                resources(quantity)

    def test_an_unknown_key_is_refused_everywhere(self):
        schema = json.loads((CHART / "values.schema.json").read_text())
        closed = list(sections(schema, schema, ()))
        self.assertGreater(len(closed), 40)
        tree = {}
        for path in closed:
            functools.reduce(lambda place, name: place.setdefault(name, {}), path, tree)["unknownKey"] = 1
        with self.assertRaises(Refused) as refused:
            documents(tree)
        for path in closed:
            told = f"at '/{'/'.join(path)}': additional properties 'unknownKey' not allowed" if path \
                else "at '': additional properties 'unknownKey' not allowed"
            self.assertIn(told, str(refused.exception))

    def test_a_drain_has_the_time_it_needs(self):
        for delay, window, seconds in [("10s", "1m", 70), ("0", "500ms", 1), ("1500ms", "90s", 92), ("1h", "2 m", 3720),
                                       ("010s", 0, 10)]:
            with self.subTest(delay=delay, window=window):
                spec = deployment({"config": {"drain": {"delay": delay, "window": window}}})["spec"]
                pod = spec["template"]["spec"]
                self.assertEqual(pod["terminationGracePeriodSeconds"], seconds + 20)
                self.assertEqual(spec["minReadySeconds"], seconds)
                self.assertGreater(spec["progressDeadlineSeconds"], seconds)
        self.assertEqual(deployment({"minReadySeconds": 5})["spec"]["minReadySeconds"], 5)

    def test_the_deployment_is_what_is_promised(self):
        spec = deployment({})["spec"]
        pod = spec["template"]["spec"]
        [container] = pod["containers"]
        self.assertEqual(spec["replicas"], 2)
        self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
        self.assertNotIn("lifecycle", container)
        self.assertNotIn("cpu", container["resources"]["limits"])
        self.assertIn("memory", container["resources"]["limits"])
        self.assertEqual({port["name"]: port["containerPort"] for port in container["ports"]},
                         {"public": 8000, "internal": 9000})
        probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
        self.assertEqual(probes, {"startup": {"path": "/startupz", "port": "internal"},
                                  "readiness": {"path": "/readyz", "port": "internal"},
                                  "liveness": {"path": "/livez", "port": "internal"}})
        self.assertEqual(container["env"], [{"name": "FANFARE__WORKERS", "valueFrom": {"resourceFieldRef": {
            "containerName": "fanfare", "resource": "requests.cpu", "divisor": "1"}}}])
        self.assertIs(pod["automountServiceAccountToken"], False)
        self.assertEqual(pod["securityContext"], {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532,
                                                  "seccompProfile": {"type": "RuntimeDefault"}})
        self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False, "capabilities": {
            "drop": ["ALL"]}, "readOnlyRootFilesystem": True})
        # A file of its own in a directory would never change.
        self.assertFalse(any("subPath" in mount for mount in container["volumeMounts"]))
        self.assertNotIn("replicas", deployment(SWITCHES["hpa"])["spec"])
        self.assertNotIn("env", container_of(deployment(SWITCHES["workers"])))

    def test_without_redis_there_are_never_two_nodes(self):
        spec = deployment(SWITCHES["one node"] | {"minReadySeconds": 5, "strategy": {"maxSurge": 2}})["spec"]
        self.assertEqual((spec["replicas"], spec["strategy"], spec["minReadySeconds"]), (1, {"type": "Recreate"}, 0))
        self.assertEqual(spec["template"]["spec"]["terminationGracePeriodSeconds"], 90)
        self.assertEqual(deployment({"replicaCount": 1})["spec"]["strategy"]["type"], "RollingUpdate")

    def test_autoscaling_looks_at_connections_first(self):
        [hpa] = of_kind(rendered("hpa with cpu"), "HorizontalPodAutoscaler")
        self.assertEqual([metric["type"] for metric in hpa["spec"]["metrics"]], ["Pods", "Resource"])
        self.assertEqual(hpa["spec"]["metrics"][0]["pods"], {"metric": {"name": "fanfare_connections"}, "target": {
            "type": "AverageValue", "averageValue": "10000"}})
        slowly = {"stabilizationWindowSeconds": 600, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 300}]}
        self.assertEqual(hpa["spec"]["behavior"]["scaleDown"], slowly)
        [keda] = of_kind(rendered("keda"), "ScaledObject")
        self.assertEqual(keda["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"], slowly)
        self.assertEqual(keda["spec"]["triggers"][0]["metadata"]["query"],
                         'sum(fanfare_connections{namespace="prod", pod=~"rel-fanfare-[0-9a-z]+-[0-9a-z]+"})')

    @unittest.skipUnless(HELM, "needs helm in the path: the engine of the package asks no cluster")
    def test_an_autoscaler_keeps_the_nodes_that_it_has_chosen(self):
        def replicas(cluster):
            [nodes] = nodes_of(installed(CASES["hpa"], cluster))
            return nodes["spec"].get("replicas")
        namespace = {("ConfigMap", "kube-root-ca.crt"): {}}
        live = {("Deployment", "rel-fanfare"): {"spec": {"replicas": 7}}}
        self.assertEqual(replicas(namespace | live), 7)
        self.assertEqual(replicas(namespace), 2)
        self.assertIsNone(replicas({}))

    def test_nodes_are_scraped_while_they_drain(self):
        found = rendered("monitoring")
        [monitor] = of_kind(found, "ServiceMonitor")
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        [service] = [one for one in of_kind(found, "Service") if wanted <= one["metadata"]["labels"].items()]
        spec = service["spec"]
        # Kubernetes leaves pods that are told to end out of the Endpoints of a Service, unless it has this field.
        self.assertIs(spec["publishNotReadyAddresses"], True)
        self.assertEqual((spec["type"], spec["clusterIP"]), ("ClusterIP", "None"))
        self.assertEqual([(port["name"], port["targetPort"]) for port in spec["ports"]], [("internal", "internal")])
        [nodes] = nodes_of(found)
        self.assertLessEqual(spec["selector"].items(), nodes["spec"]["template"]["metadata"]["labels"].items())
        self.assertEqual(service["metadata"]["labels"][monitor["spec"]["jobLabel"]], "rel")
        self.assertNotIn("rel-fanfare-metrics", [one["metadata"]["name"] for one in rendered("nothing")])

    def test_rules_and_dashboards_are_those_of_the_files(self):
        def files(pattern):
            return {path.name: path.read_text() for path in (CHART / "files").glob(pattern)}
        wrapped = {name.removeprefix("rel-"): text for document in of_kind(rendered("monitoring"), "ConfigMap")
                   for name, text in document["data"].items() if document["metadata"]["labels"].get("grafana_dashboard")}
        self.assertEqual({name: json.loads(text) for name, text in wrapped.items()},
                         {name: json.loads(text) for name, text in files("dashboards/*.json").items()})
        expected = [yaml.safe_load(text) for text in files("rules.yaml").values()]
        rules = [document["spec"] for document in of_kind(rendered("monitoring"), "PrometheusRule")]
        for group in [group for spec in rules for group in spec["groups"]]:
            for rule in group["rules"]:
                if "alert" in rule:
                    links = rule["annotations"]
                    self.assertTrue(links["runbook_url"].startswith("https://a.example/b/docs/operate/runbooks/"))
                    links["runbook_url"] = links["runbook_url"].removeprefix("https://a.example/b/")
        self.assertEqual(rules, expected)

    def test_ways_in_lead_to_the_public_port_alone(self):
        for name in CASES:
            for document in of_kind(rendered(name), "Ingress", "HTTPRoute"):
                self.assertNotIn("internal", json.dumps(document["spec"]), name)
        [internal] = [service for service in of_kind(rendered("load balancer"), "Service")
                      if service["metadata"]["name"].endswith("-internal")]
        self.assertEqual(internal["spec"]["type"], "ClusterIP")

    def test_only_what_a_policy_names_gets_through(self):
        [nodes, redis] = [policy["spec"] for policy in of_kind(rendered("policy"), "NetworkPolicy")]
        public, internal = nodes["ingress"]
        self.assertEqual((public["ports"][0]["port"], "from" in public), ("public", False))
        self.assertEqual([peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
                          for peer in internal["from"]], ["test"])
        self.assertEqual(ports(nodes["egress"]), [53, 53, 6379])
        self.assertEqual(redis["egress"], [])
        for url, expected in [("rediss://r.example:6380/1", [6380]), ("redis://a,b:7000", [6379, 7000]),
                              ("redis+sentinel://a:26380,b/primary", [26380, 26379, 6379])]:
            values = merged(PRODUCTION, {"config": {"redis": {"url": url}}, "networkPolicy": {"enabled": True}})
            [policy] = of_kind(documents(values), "NetworkPolicy")
            self.assertEqual(ports(policy["spec"]["egress"]), [53, 53, *expected], url)
        for url, expected in [("https://c/v1/traces", 443), ("HTTPS://c", 443), ("http://c", 80), ("Https://c:4318", 4318)]:
            values = merged(PRODUCTION, {"config": {"tracing": {"url": url}}, "networkPolicy": {"enabled": True}})
            [policy] = of_kind(documents(values), "NetworkPolicy")
            self.assertEqual(ports(policy["spec"]["egress"]), [53, 53, 6380, expected], url)

    def test_secrets_are_in_the_secret_alone(self):
        secret_texts = ["a-token-secret-of-32-bytes-or-more", "an-api-key", "a-redis-password"]
        for document in rendered("nothing"):
            text = json.dumps(document)
            if document["kind"] == "Secret":
                kept = {name: base64.b64decode(value).decode() for name, value in document["data"].items()}
                self.assertEqual(sorted(kept.values()), sorted(secret_texts))
            else:
                self.assertFalse(any(secret in text for secret in secret_texts), document["kind"])
        self.assertEqual(of_kind(rendered("production"), "Secret"), [])
        self.assertIn({"secret": {"name": "mine"}}, deployment(PRODUCTION, {})["spec"]["template"]["spec"][
            "volumes"][0]["projected"]["sources"])

    def test_a_password_is_made_up_where_none_is_given(self):
        secrets = [of_kind(documents({"redis": {"enabled": True}}), "Secret")[0] for _ in range(2)]
        made_up = {base64.b64decode(secret["data"]["redis.password"]).decode() for secret in secrets}
        self.assertEqual((len(made_up), {len(password) for password in made_up}), (2, {32}))

    @unittest.skipUnless(HELM, "needs helm in the path: the engine of the package asks no cluster")
    def test_a_password_that_was_made_up_is_kept(self):
        kept = {"redis.password": base64.b64encode(b"kept").decode()}
        [secret] = of_kind(installed({"redis": {"enabled": True}}, {("Secret", "rel-fanfare"): {"data": kept}}), "Secret")
        self.assertEqual(secret["data"], kept)

    def test_pods_roll_only_for_what_needs_a_restart(self):
        before = checksum({})
        for reloadable in [{"config": {"log": {"level": "debug"}}}, {"config": {"drain": {"window": "2m"}}},
                           {"config": {"namespaces": {"chat": {"client_publish": True}, "a.b": {}}}},
                           {"config": {"channels": {"history_size": 5}}}, {"config": {"allowed_origins": ["*"]}},
                           {"config": {"client": {"outbox_size": "2MiB"}}}, {"config": {"token": {"issuer": "me"}}},
                           {"secrets": {"token": {"hmac_secret": "another", "hmac_secret_previous": "x"}}},
                           {"secrets": {"api": {"key": "another", "keys": {"ci": {"key": "x"}}}}},
                           {"secrets": {"redis": {"password": "another"}}}]:
            with self.subTest(reloadable):
                self.assertEqual(checksum(reloadable), before)
        for fixed in [{"config": {"log": {"format": "json"}}}, {"config": {"client": {"ping_interval": "20s"}}},
                      {"config": {"redis": {"prefix": "other"}}}, {"config": {"api": {"error_mode": "transport"}}},
                      {"secrets": {"redis": {"signing_key": "x"}}}]:
            with self.subTest(fixed):
                self.assertNotEqual(checksum(fixed), before)
        signed = {"secrets": {"redis": {"signing_key": "x"}}}
        self.assertNotEqual(checksum(signed), checksum({"secrets": {"redis": {"signing_key": "y"}}}))
        window = {"config": {"drain": {"window": "2m"}}}
        self.assertNotEqual(deployment(window), deployment({}), "the time to end follows the drain")

    def test_every_reloadable_setting_exists(self):
        schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]
        for setting in json.loads((CHART / "files" / "reloadable.json").read_text()):
            place = schema
            for name in setting.removesuffix(".*").split("."):
                place = place["properties"].get(name)
                self.assertIsNotNone(place, setting)

    def test_the_program_takes_the_settings(self):
        values = {
            "config": {
                "connection_limit": 1000000, "connect_rate_limit": 4294967295, "trusted_proxies": ["10.0.0.0/8"],
                "allowed_origins": ["https://a.example", "https://*.b.example"],
                "token": {"audience": 'x<>&"\\ü'},
                "client": {"outbox_size": 16777216, "command_rate": 123456},
                "drain": {"delay": 0, "window": "90s"},
                "namespaces": {"chat": {"history_size": 100000, "history_ttl": "10m"}, "a.b": {"presence": True},
                               "empty": {}},
                "api": {"keys": {"ci": {"allow": {"methods": ["publish"], "namespaces": ["", "chat"]}}}},
            },
            "secrets": {"api": {"keys": {"ci": {"key": "another-key"}}}},
        }
        told = check_config(documents(merged(TRIAL, values)))
        for line in ["connection_limit = 1000000", "connect_rate_limit = 4294967295", 'token.audience = "x<>&\\"\\\\ü"',
                     'client.outbox_size = "16MiB"',
                     "client.command_rate = 123456", 'drain.delay = "0"', 'drain.window = "90s"',
                     "namespaces.chat.history_size = 100000", 'namespaces."a.b".presence = true',
                     'redis.url = "redis://rel-fanfare-redis:6379"', 'public.address = ":8000"',
                     'internal.address = ":9000"', "token.require_exp = true", 'api.keys.ci.key = "***"',
                     'token.hmac_secret = "***"', 'redis.password_file = "']:
            self.assertIn(f"\n{line}", f"\n{told}")

    def test_the_drain_of_the_values_is_that_of_the_program(self):
        told = check_config([])
        for line in ['drain.delay = "10s"', 'drain.window = "1m"']:
            self.assertIn(f"\n{line} ", told)
        for unset in [{}, {"config": None}, {"config": {"drain": None}}, {"config": {"drain": {"delay": None}}},
                      {"config": {"drain": {"window": None}}}]:
            with self.subTest(unset):
                self.assertEqual(deployment(unset)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 90)

    def test_the_test_pod_proves_what_it_can(self):
        def arguments(name):
            return [pod["spec"]["containers"][0]["args"] for pod in of_kind(rendered(name), "Pod")]
        [[command, *flags]] = arguments("nothing")
        self.assertEqual(command, "probe")
        self.assertIn("--url=ws://rel-fanfare:80/connection/websocket", flags)
        self.assertIn("--api=http://rel-fanfare-internal:9000", flags)
        self.assertEqual([args[0] for args in arguments("production")], ["publish"])
        self.assertEqual(arguments("no secrets"), [])
        [pod] = of_kind(rendered("pods"), "Pod")
        [nodes] = nodes_of(rendered("pods"))
        mounts = container_of(nodes)["volumeMounts"]
        self.assertIn({"name": "ca", "mountPath": "/ca"}, mounts)
        # The settings may name files there.
        self.assertEqual(pod["spec"]["volumes"], nodes["spec"]["template"]["spec"]["volumes"])
        self.assertEqual(pod["spec"]["containers"][0]["volumeMounts"], mounts)
        for command in ["probe", "publish"]:
            [args] = [args for name in ("nothing", "production") for args in arguments(name) if args[0] == command]
            usage = fanfare(command, "--help").stdout
            for flag in args[1:]:
                if flag.startswith("--"):
                    self.assertIn(f"{flag.split('=')[0]} <", usage)

    def test_the_plain_manifests_are_current(self):
        for path, text in manifests.files().items():
            self.assertEqual(path.read_text(), text, f"{path.relative_to(ROOT)} is not current: make manifests")

    def test_the_load_test_knows_the_plain_manifests_services(self):
        found = yaml.safe_load_all((ROOT / "k8s" / "base" / "fanfare.yaml").read_text())
        there = {(service["metadata"]["name"], port["port"]): port["targetPort"]
                 for service in of_kind(found, "Service") for port in service["spec"]["ports"]}
        lines = (ROOT / "loadtest" / "k8s" / "settings.env").read_text().splitlines()
        settings = dict(line.split("=", 1) for line in lines)
        for name, scheme, target in [("FANFARE_URL", "ws", "public"), ("FANFARE_PUBLISH_URL", "http", "internal")]:
            url = urllib.parse.urlsplit(settings[name])
            self.assertEqual(url.scheme, scheme)
            self.assertEqual(there.get((url.hostname, url.port or 80)), target, f"{name}: no Service at {url.netloc}")

    def test_kustomize_takes_the_plain_manifests(self):
        if not shutil.which("kubectl"):
            self.skipTest("needs kubectl in the path")
        run = subprocess.run(["kubectl", "kustomize", ROOT / "k8s" / "trial"], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.stderr, "")
        kinds = sorted(document["kind"] for document in yaml.safe_load_all(run.stdout))
        self.assertEqual(kinds.count("Deployment"), 2)


@functools.cache
def kubernetes_schema(version, api_version, kind):
    """Refuses unknown fields, too. What `kubernetes_validate` does, but reads each schema once."""
    group = api_version.split("/")[0].split(".")[0]
    api = f"{group}-{api_version.split('/')[1]}" if "/" in api_version else api_version
    directory = f"kubernetes-json-schema/v{version}.0-local-strict"
    schema = schema_contents(f"{directory}/{kind.lower()}-{api}.json", version)
    registry = Resource.from_contents(schema) @ definitions(directory)
    return jsonschema.Draft202012Validator(schema, registry=registry.crawl())


@functools.cache
def definitions(directory):
    return (Resource.from_contents(schema_contents(f"{directory}/_definitions.json", directory)) @ Registry()).crawl()


@functools.cache
def rendered(name):
    return documents(CASES[name])


def distinct(found):
    return sorted({json.dumps(document, sort_keys=True) for document in found})


def of_kind(found, *kinds):
    return [document for document in found if document["kind"] in kinds]


def installed(values, cluster):
    """What an installation or upgrade renders where these objects are."""
    with serving(cluster, "prod") as config:
        return documents(values, asking=["--dry-run=server", "--kubeconfig", config])


def nodes_of(found):
    return [one for one in of_kind(found, "Deployment") if not one["metadata"]["name"].endswith("-redis")]


def deployment(values, above=TRIAL):
    [nodes] = nodes_of(documents(merged(above, values)))
    return nodes


def container_of(one):
    [container] = one["spec"]["template"]["spec"]["containers"]
    return container


def checksum(values):
    return deployment(values)["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]


def ports(rules):
    return [port["port"] for rule in rules for port in rule.get("ports", [])]


def sections(root, schema, path):
    """Paths of all places where every key is known."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("additionalProperties") is False and "patternProperties" not in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from sections(root, child, (*path, name))
    for named in [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]:
        if isinstance(named, dict):
            yield from sections(root, named, (*path, "aName"))


def fanfare(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FANFARE__")}
    return subprocess.run([os.environ["FANFARE_BIN"], *arguments], env=environment, capture_output=True, text=True,
                          timeout=60)


def check_config(found):
    """What the program says of the settings in these documents, laid out as in the pod."""
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        (place / "fanfare.toml").write_text("")
        for document in of_kind(found, "Secret"):
            for name, value in document["data"].items():
                (place / name).write_bytes(base64.b64decode(value))
        for document in of_kind(found, "ConfigMap"):
            for name, text in document["data"].items():
                (place / name).write_text(text.replace("/etc/fanfare", directory))
        run = fanfare("check-config", "--config", str(place / "fanfare.toml"))
    assert run.returncode == 0, run.stderr
    return run.stdout


if __name__ == "__main__":
    unittest.main(verbosity=2)
