{{/* What is wrong with the values beyond what their schema can say; nothing is installed then. */}}

{{- define "fanfare.check" -}}
{{- $faults := include "fanfare.faults" . | splitList "\n" | compact }}
{{- if $faults }}
{{- fail (printf "\n\n  %s\n" (join "\n  " $faults)) }}
{{- end }}
{{- end }}

{{- define "fanfare.faults" -}}
{{- $values := .Values }}
{{- if not (include "fanfare.redisUrl" .) }}
{{- $escape := "set config.redis.url, or redis.enabled=true for a trial" }}
{{- if $values.autoscaling.enabled }}
autoscaling.enabled: several nodes without Redis are a split brain, each with its own channels: {{ $escape }}
{{ else if gt (int $values.replicaCount) 1 }}
replicaCount: {{ $values.replicaCount }} nodes without Redis are a split brain, each with its own channels: {{ $escape }}, or replicaCount=1
{{ end }}
{{- end }}
{{- range list "public" "internal" }}
{{- if (get ($values.config | default dict) . | default dict).address }}
config.{{ . }}.address: the chart sets it; the Services' ports are service.port and internalService.port
{{ end }}
{{- end }}
{{- if and $values.redis.enabled (($values.config).redis).url }}
config.redis.url: redis.enabled starts a Redis of the release and sets it: choose one
{{ end }}
{{- include "fanfare.secretFaults" . }}
{{- if has (toString $values.podDisruptionBudget.maxUnavailable) (list "0" "0%") }}
podDisruptionBudget.maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }} would keep every machine from being emptied for ever: at least 1
{{ end }}
{{- if and (has (toString $values.strategy.maxSurge) (list "0" "0%")) (has (toString $values.strategy.maxUnavailable) (list "0" "0%")) }}
strategy.maxSurge: with strategy.maxUnavailable 0 too, no update could ever begin: set one of them
{{ end }}
{{- include "fanfare.serviceFaults" . }}
{{- include "fanfare.wayInFaults" . }}
{{- with $values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
autoscaling.minReplicas: {{ .minReplicas }} is more than autoscaling.maxReplicas, {{ .maxReplicas }}
{{ end }}
{{- if and (eq .provider "keda") (not .keda.serverAddress) }}
autoscaling.keda.serverAddress: KEDA must know where Prometheus is, like http://prometheus.monitoring:9090
{{ end }}
{{- end }}
{{- end }}
{{- include "fanfare.apiFaults" . }}
{{- end }}

{{- define "fanfare.secretFaults" -}}
{{- $values := .Values }}
{{- $inline := include "fanfare.secretLeaves" (list "" $values.secrets) | splitList "\n" | compact }}
{{- if and $values.existingSecret $inline }}
existingSecret: secrets.{{ first $inline }} is given too: choose one
{{ end }}
{{- if and $values.existingSecret $values.redis.enabled (not (has "redis.password" $values.existingSecretKeys)) }}
existingSecretKeys: the trial Redis takes its password from redis.password of {{ $values.existingSecret }}: add the key and name it here
{{ end }}
{{- $names := include "fanfare.secretNames" . | splitList "\n" | compact }}
{{- range include "fanfare.lines" (list "" $values.config) | splitList "\n" | compact }}
{{- $path := splitList " = " . | first }}
{{- if include "fanfare.isSecret" (list $ $path) }}
config.{{ $path }}: a secret does not belong into a ConfigMap: give it as secrets.{{ $path }}, or in existingSecret
{{ else if and (hasSuffix "_file" $path) (has (trimSuffix "_file" $path) $names) }}
config.{{ $path }}: the chart sets it, since {{ ternary "existingSecretKeys names" "secrets has" (ne $values.existingSecret "") }} {{ trimSuffix "_file" $path }}: choose one
{{ end }}
{{- end }}
{{- end }}

{{/* Whether a setting is secret: root and its name. */}}
{{- define "fanfare.isSecret" -}}
{{- $setting := index . 1 }}
{{- range (index . 0).Files.Get "files/secrets.json" | fromJsonArray }}
{{- if regexMatch (printf "^%s$" (. | replace "." "\\." | replace "*" ".+")) $setting }}yes{{ end }}
{{- end }}
{{- end }}

{{- define "fanfare.serviceFaults" -}}
{{- $name := include "fanfare.fullname" . }}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" $name) }}
fullnameOverride: a Service cannot be called {{ $name }}, as it would be after the release {{ .Release.Name }}: set a name of letters, digits and hyphens that begins with a letter
{{ end }}
{{- with .Values.service }}
{{- if eq .type "ClusterIP" }}
{{- if .nodePort }}
service.nodePort: {{ .nodePort }} would be opened on no machine with service.type ClusterIP: leave it out, or set service.type to NodePort or LoadBalancer
{{ end }}
{{- if .externalTrafficPolicy }}
service.externalTrafficPolicy: {{ .externalTrafficPolicy }} is not for service.type ClusterIP: leave it out, or set service.type to NodePort or LoadBalancer
{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "fanfare.wayInFaults" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
ingress.hosts: an Ingress without a host takes everybody's traffic: name at least one
{{ end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: a route without a Gateway leads nowhere: name at least one
{{ end }}
{{- end }}

{{/* What is asked for, but unknown to the cluster. */}}
{{- define "fanfare.apiFaults" -}}
{{- $values := .Values }}
{{- $keda := and $values.autoscaling.enabled (eq $values.autoscaling.provider "keda") }}
{{- $wanted := list
  (list "metrics.serviceMonitor.enabled" $values.metrics.serviceMonitor.enabled "monitoring.coreos.com/v1")
  (list "metrics.rules.enabled" $values.metrics.rules.enabled "monitoring.coreos.com/v1")
  (list "httpRoute.enabled" $values.httpRoute.enabled "gateway.networking.k8s.io/v1")
  (list "autoscaling.provider" $keda "keda.sh/v1alpha1") }}
{{- range $wanted }}
{{- $api := index . 2 }}
{{- if and (index . 1) (not (or ($.Capabilities.APIVersions.Has $api) (has $api $values.apiVersions))) }}
{{ index . 0 }}: the cluster does not know {{ $api }}: install it first, or add it to apiVersions where no cluster is asked
{{ end }}
{{- end }}
{{- end }}
