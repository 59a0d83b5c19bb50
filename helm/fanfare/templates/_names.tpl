{{/* Names and labels. */}}

{{- define "fanfare.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | regexFind ".*[a-z0-9]" }}
{{- end }}

{{/*
Short enough for the longest suffix, "-dashboard-fleet", and for the names of pods, which Kubernetes would cut: to 58
characters with the hash of their ReplicaSet, "-" and ten, and a "-". KEDA's query finds them by their names.
*/}}
{{- define "fanfare.fullname" -}}
{{- $name := include "fanfare.name" . }}
{{- $release := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $release .Values.fullnameOverride | trunc 46 | regexFind ".*[a-z0-9]" }}
{{- end }}

{{- define "fanfare.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/part-of: fanfare
{{ include "fanfare.selector" . }}
{{- end }}

{{/* What belongs to the release; `app.kubernetes.io/component` tells its parts apart. */}}
{{- define "fanfare.selector" -}}
app.kubernetes.io/name: {{ include "fanfare.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fanfare.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "fanfare.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "fanfare.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag }}
{{- ternary (printf "%s@%s" .Values.image.repository $tag) (printf "%s:%s" .Values.image.repository $tag) (hasPrefix "sha256:" $tag) }}
{{- end }}

{{/* The Secret with the settings that are secret, if any are. */}}
{{- define "fanfare.secret" -}}
{{- if include "fanfare.secretNames" . }}
{{- default (include "fanfare.fullname" .) .Values.existingSecret }}
{{- end }}
{{- end }}

{{/* Settings file and secrets in one volume, so that both change at once; and those of the values. */}}
{{- define "fanfare.volumes" -}}
- name: settings
  projected:
    sources:
      - configMap: {name: {{ include "fanfare.fullname" . }}}
      {{- with include "fanfare.secret" . }}
      - secret: {name: {{ . }}}
      {{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "fanfare.volumeMounts" -}}
- {name: settings, mountPath: {{ include "fanfare.directory" . }}, readOnly: true}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "fanfare.testLabels" -}}
{{ include "fanfare.selector" . }}
app.kubernetes.io/component: test
{{- end }}
