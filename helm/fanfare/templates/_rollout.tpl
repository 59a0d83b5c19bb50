{{/* How many nodes there are, and how they are replaced. */}}

{{/*
With an autoscaler, as many as it has chosen. A release that has had the field must keep it: when it vanishes, Kubernetes
makes it 1, and the others' clients reconnect. Where no cluster is asked, as by `helm template`, nothing is said: whatever
stood here would be taken from the autoscaler at each apply. Every namespace has a `kube-root-ca.crt`; it is a ConfigMap,
which whoever installs the chart may read, and `lookup` ends the installation where something may not be read.
*/}}
{{- define "fanfare.replicas" -}}
{{- if not .Values.autoscaling.enabled }}
{{- .Values.replicaCount | int64 }}
{{- else }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "fanfare.fullname" .) }}
{{- if $live }}
{{- $live.spec.replicas | int64 }}
{{- else if lookup "v1" "ConfigMap" .Release.Namespace "kube-root-ca.crt" }}
{{- .Values.autoscaling.minReplicas | int64 }}
{{- end }}
{{- end }}
{{- end }}

{{/* One node at a time drains: the next is told to end when the one before has closed its connections. */}}
{{- define "fanfare.minReadySeconds" -}}
{{- if not (include "fanfare.redisUrl" .) }}
{{- 0 }}
{{- else if kindIs "invalid" .Values.minReadySeconds }}
{{- include "fanfare.drainSeconds" . }}
{{- else }}
{{- .Values.minReadySeconds | int64 }}
{{- end }}
{{- end }}
