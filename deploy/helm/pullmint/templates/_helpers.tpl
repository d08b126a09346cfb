{{/* The labels by which the pods are found. */}}
{{- define "pullmint.selector" -}}
app.kubernetes.io/name: pullmint
app.kubernetes.io/instance: pullmint
{{- end }}

{{/* The labels of every object. */}}
{{- define "pullmint.labels" -}}
{{ include "pullmint.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The name of objects of the whole cluster: several pullmints stand side by side. */}}
{{- define "pullmint.clusterName" -}}
pullmint-{{ .Release.Namespace }}
{{- end }}

{{- define "pullmint.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A file of TOML. What JSON writes as a text, a number or a list of those, TOML reads as the same. */}}
{{- define "pullmint.toml" -}}
{{- range $key, $value := . }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ $key }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{- range $name, $table := . }}
{{- if kindIs "map" $table }}

[{{ $name }}]
{{- range $key, $value := $table }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The names of the configuration's pull Secrets, as a JSON list. */}}
{{- define "pullmint.secrets" -}}
{{- $names := list }}
{{- range $name, $registry := .Values.registries }}
{{- $own := printf "pullmint-%s" $name }}
{{- $secret := $registry.secret | default $.Values.settings.secret | default $own }}
{{- if eq $secret "pullmint-state" }}
{{- fail (printf "registries.%s: give it another `secret`; pullmint keeps its own state in pullmint-state" $name) }}
{{- end }}
{{- $names = append $names $secret }}
{{- end }}
{{- $names | uniq | sortAlpha | toRawJson }}
{{- end }}

{{/* And of those that left it and are still to be removed. */}}
{{- define "pullmint.ownSecrets" -}}
{{- $names := include "pullmint.secrets" . | fromJsonArray }}
{{- concat $names (include "pullmint.retiredSecrets" . | fromJsonArray) | sortAlpha | toRawJson }}
{{- end }}

{{/* These alone: a name that a registry has is not retired. */}}
{{- define "pullmint.retiredSecrets" -}}
{{- $names := include "pullmint.secrets" . | fromJsonArray }}
{{- $retired := list }}
{{- range .Values.settings.retired_secrets }}
{{- if eq . "pullmint-state" }}
{{- fail "settings.retired_secrets: pullmint keeps its own state in pullmint-state" }}
{{- end }}
{{- if not (has . $names) }}
{{- $retired = append $retired . }}
{{- end }}
{{- end }}
{{- $retired | uniq | sortAlpha | toRawJson }}
{{- end }}

{{/* The names of all ServiceAccounts that are to name pull Secrets, as a JSON list. */}}
{{- define "pullmint.accounts" -}}
{{- $names := .Values.settings.retired_service_accounts | default list }}
{{- range .Values.registries }}
{{- $own := hasKey . "service_accounts" | ternary .service_accounts $.Values.settings.service_accounts }}
{{- $names = concat $names ($own | default list) }}
{{- end }}
{{- $names | uniq | sortAlpha | toRawJson }}
{{- end }}

{{/* The port of metrics, health and status. */}}
{{- define "pullmint.port" -}}
{{- dig "admin" "listen" "" .Values.settings | regexFind "[0-9]+$" | default 8080 }}
{{- end }}

{{- define "pullmint.scheme" -}}
{{- dig "admin" "tls_certificate_file" "" .Values.settings | empty | ternary "HTTP" "HTTPS" }}
{{- end }}
