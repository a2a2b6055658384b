{{/* Names, labels and addresses. A part of the release is <release>-<part>. */}}

{{- define "switchyard.labels" -}}
{{ include "switchyard.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "switchyard.selector" -}}
app.kubernetes.io/name: switchyard
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* metadata of an object of a part; `name` where it is not the part's own. */}}
{{- define "switchyard.metadata" -}}
name: {{ .root.Release.Name }}-{{ .name | default .part }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "switchyard.labels" . | nindent 2 }}
{{- end }}

{{/* The host name of a part's service, which other namespaces resolve too. */}}
{{- define "switchyard.host" -}}
{{ .root.Release.Name }}-{{ .part }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{- define "switchyard.namenode" -}}
{{- $hdfs := .Values.hdfs -}}
{{- if $hdfs.enabled -}}
{{ include "switchyard.host" (dict "root" . "part" "namenode") }}:8020
{{- else -}}
{{ $hdfs.existing.host }}:{{ $hdfs.existing.port }}
{{- end -}}
{{- end }}

{{- define "switchyard.metastore" -}}
{{- $metastore := .Values.metastore -}}
{{- if $metastore.enabled -}}
{{ include "switchyard.host" (dict "root" . "part" "metastore") }}:9083
{{- else -}}
{{ $metastore.existing.host }}:{{ $metastore.existing.port }}
{{- end -}}
{{- end }}

{{/* Hosts of the replica set's members, "a:27017,b:27017". */}}
{{- define "switchyard.mongodbMembers" -}}
{{- $members := list -}}
{{- range $number := until (int .Values.mongodb.members) -}}
{{- $host := include "switchyard.host" (dict "root" $ "part" "mongodb") -}}
{{- $members = append $members (printf "%s-mongodb-%d.%s:27017" $.Release.Name $number $host) -}}
{{- end -}}
{{- join "," $members -}}
{{- end }}

{{/* Where the metastore's database is, as JSON: {host, port, database, login}. */}}
{{- define "switchyard.metastoreDatabase" -}}
{{- $existing := .Values.metastore.database.existing -}}
{{- if $existing.host -}}
{{- pick $existing "host" "port" "database" "login" | toJson -}}
{{- else -}}
{{- $host := include "switchyard.host" (dict "root" . "part" "postgresql") -}}
{{- dict "host" $host "port" 5432 "database" "metastore" "login" "metastore" | toJson -}}
{{- end -}}
{{- end }}

{{/* "true" when the chart starts a pod: nothing, when all servers are there already. */}}
{{- define "switchyard.installs" -}}
{{- range pick .Values "hdfs" "metastore" "hive" "postgresql" "mongodb" "redis" "test" -}}
{{- if .enabled }}true{{ end -}}
{{- end -}}
{{- end }}
