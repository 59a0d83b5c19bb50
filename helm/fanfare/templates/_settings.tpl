{{/* The settings file, what follows from it, and what is wrong with the values. */}}

{{/* Where the settings file and the secrets are mounted. */}}
{{- define "fanfare.directory" -}}
/etc/fanfare
{{- end }}

{{/*
A tree as lines of TOML, `log.level = "info"`, in the order of their names; takes a list of path and tree. Numbers are
written as JSON writes them: whole ones stay whole.
*/}}
{{- define "fanfare.lines" -}}
{{- $parent := index . 0 }}
{{- range $name, $value := index . 1 }}
{{- $key := ternary $name (toJson $name) (regexMatch "^[A-Za-z0-9_-]+$" $name) }}
{{- $path := ternary (printf "%s.%s" $parent $key) $key (ne $parent "") }}
{{- if and (kindIs "map" $value) $value }}
{{- include "fanfare.lines" (list $path $value) }}
{{- else if not (kindIs "invalid" $value) }}
{{- printf "%s = %s\n" $path (toJson $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The leaves of `secrets` that have a value, a line each. */}}
{{- define "fanfare.secretLeaves" -}}
{{- $parent := index . 0 }}
{{- range $name, $value := index . 1 }}
{{- $path := ternary (printf "%s.%s" $parent $name) $name (ne $parent "") }}
{{- if kindIs "map" $value }}
{{- include "fanfare.secretLeaves" (list $path $value) }}
{{- else if $value }}
{{- printf "%s\n" $path }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names of all secret settings that the nodes are given, a line each. */}}
{{- define "fanfare.secretNames" -}}
{{- if .Values.existingSecret }}
{{- range .Values.existingSecretKeys | sortAlpha }}
{{- printf "%s\n" . }}
{{- end }}
{{- else }}
{{- $names := include "fanfare.secretLeaves" (list "" .Values.secrets) | splitList "\n" | compact }}
{{- range ternary (append $names "redis.password") $names .Values.redis.enabled | uniq | sortAlpha }}
{{- printf "%s\n" . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "fanfare.redisUrl" -}}
{{- if .Values.redis.enabled -}}
redis://{{ include "fanfare.fullname" . }}-redis:6379
{{- else }}
{{- ((.Values.config).redis).url | default "" }}
{{- end }}
{{- end }}

{{/* The settings file: values, what the chart adds, and where secrets are. */}}
{{- define "fanfare.settings" -}}
{{- $added := dict "public" (dict "address" ":8000") "internal" (dict "address" ":9000") }}
{{- if .Values.redis.enabled }}
{{- $_ := set $added "redis" (dict "url" (include "fanfare.redisUrl" .)) }}
{{- end }}
{{- include "fanfare.lines" (list "" (mergeOverwrite (deepCopy (.Values.config | default dict)) $added)) }}
{{- range include "fanfare.secretNames" . | splitList "\n" | compact }}
{{- printf "%s_file = %s\n" . (printf "%s/%s" (include "fanfare.directory" $) . | quote) }}
{{- end }}
{{- end }}

{{/* Whether a node takes a change of this setting while it runs: root and the name of the setting. */}}
{{- define "fanfare.isReloadable" -}}
{{- $setting := index . 1 | trimSuffix "_file" }}
{{- range (index . 0).Files.Get "files/reloadable.json" | fromJsonArray }}
{{- if or (eq . $setting) (and (hasSuffix ".*" .) (hasPrefix (trimSuffix "*" .) $setting)) }}yes{{ end }}
{{- end }}
{{- end }}

{{/*
Changes with everything that a node learns at its start alone. Redis' password is read at each connect. What is in an
existing Secret cannot be seen from here.
*/}}
{{- define "fanfare.checksum" -}}
{{- $fixed := list }}
{{- range include "fanfare.settings" . | splitList "\n" | compact }}
{{- if not (include "fanfare.isReloadable" (list $ (splitList " = " . | first))) }}
{{- $fixed = append $fixed . }}
{{- end }}
{{- end }}
{{- if not .Values.existingSecret }}
{{- range include "fanfare.secretLeaves" (list "" .Values.secrets) | splitList "\n" | compact }}
{{- if not (or (eq . "redis.password") (include "fanfare.isReloadable" (list $ .))) }}
{{- $fixed = append $fixed (include "fanfare.secretAt" (list $.Values.secrets .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $fixed | join "\n" | sha256sum }}
{{- end }}

{{/* A leaf of a tree by its dotted path. */}}
{{- define "fanfare.secretAt" -}}
{{- $value := index . 0 }}
{{- range index . 1 | splitList "." }}
{{- $value = index $value . }}
{{- end }}
{{- $value }}
{{- end }}

{{/* A duration in milliseconds: its text, of the form that the schema wants, or nothing, and what it is then. */}}
{{- define "fanfare.milliseconds" -}}
{{- $text := ternary (index . 1) (index . 0) (kindIs "invalid" (index . 0)) | toString }}
{{- $factor := get (dict "" 1 "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) (regexFind "[a-z]*$" $text) }}
{{- mul (regexFind "^[0-9]+" $text | atoi) $factor }}
{{- end }}

{{/* Whole seconds from the signal to end until the last connection is closed, with a node's own defaults. */}}
{{- define "fanfare.drainSeconds" -}}
{{- $delay := include "fanfare.milliseconds" (list ((.Values.config).drain).delay "10s") | int64 }}
{{- $window := include "fanfare.milliseconds" (list ((.Values.config).drain).window "1m") | int64 }}
{{- div (add $delay $window 999) 1000 }}
{{- end }}
