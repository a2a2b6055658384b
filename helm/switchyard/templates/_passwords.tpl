{{/* Passwords: given, or kept from the Secret of an earlier install or upgrade, or generated. */}}

{{- define "switchyard.passwordsName" -}}
{{ .Values.passwords.existingSecret | default (printf "%s-passwords" .Release.Name) }}
{{- end }}

{{/* JSON list of the passwords that this release's own servers need. */}}
{{- define "switchyard.ownPasswords" -}}
{{- $names := list -}}
{{- if .Values.postgresql.enabled -}}
  {{- $names = append $names "postgres" -}}
  {{- if and .Values.metastore.enabled (not .Values.metastore.database.existing.host) -}}
    {{- $names = append $names "metastore" -}}
  {{- end -}}
  {{- if .Values.ledger.enabled -}}{{- $names = append $names "ledger" -}}{{- end -}}
  {{- if .Values.source.enabled -}}{{- $names = append $names "source" -}}{{- end -}}
{{- end -}}
{{- if .Values.mongodb.enabled -}}
  {{- $names = concat $names (list "mongodb" "mongodbRoot" "mongodbKeyfile") -}}
{{- end -}}
{{- if .Values.redis.enabled -}}{{- $names = append $names "redis" -}}{{- end -}}
{{- toJson $names -}}
{{- end }}

{{/* JSON list of the passwords that are kept in the Secret: those, and the one of an existing metastore database. */}}
{{- define "switchyard.keptPasswords" -}}
{{- $names := include "switchyard.ownPasswords" . | fromJsonArray -}}
{{- if and .Values.metastore.enabled .Values.metastore.database.existing.host -}}
  {{- $names = append $names "metastore" -}}
{{- end -}}
{{- toJson $names -}}
{{- end }}

{{/* One password in plain text. It is settled once per render and kept among the values, so that all templates agree. */}}
{{- define "switchyard.password" -}}
{{- if not (hasKey .root.Values "settledPasswords") -}}
  {{- $_ := set .root.Values "settledPasswords" dict -}}
{{- end -}}
{{- $settled := .root.Values.settledPasswords -}}
{{- if not (hasKey $settled .name) -}}
  {{- $kept := lookup "v1" "Secret" .root.Release.Namespace (include "switchyard.passwordsName" .root) -}}
  {{- $value := dig "data" .name "" $kept | b64dec -}}
  {{- $own := has .name (include "switchyard.ownPasswords" .root | fromJsonArray) -}}
  {{- $given := index .root.Values.passwords .name -}}
  {{- $new := and $own (not $given) (not $value) -}}
  {{- $random := randAlphaNum (eq .name "mongodbKeyfile" | ternary 128 32) -}}
  {{- $_ := set $settled .name ($new | ternary $random ($given | default $value)) -}}
{{- end -}}
{{- index $settled .name -}}
{{- end }}
