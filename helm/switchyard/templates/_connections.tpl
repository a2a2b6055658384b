{{/*
The connections, as JSON: connection id → Airflow's fields. A server that is neither installed nor named as existing
has none. An Airflow extra of an existing server is passed on as it is: Switchyard honours it or refuses it by name.
*/}}

{{- define "switchyard.connections" -}}
{{- $all := dict -}}
{{- $ids := .Values.connections.ids -}}
{{- $password := dict -}}
{{- range list "source" "ledger" "mongodb" "redis" "hive" "catalog" -}}
  {{- $_ := set $password . (include "switchyard.password" (dict "root" $ "name" .)) -}}
{{- end -}}
{{- $postgresql := include "switchyard.host" (dict "root" . "part" "postgresql") -}}

{{- if .Values.source.enabled -}}
  {{- $name := .Values.source.database -}}
  {{- $_ := set $all $ids.source (dict "conn_type" "postgres" "host" $postgresql "port" 5432 "login" $name "password" $password.source "schema" $name) -}}
{{- else if .Values.source.existing.host -}}
  {{- $_ := set $all $ids.source (include "switchyard.existing" (dict "type" "postgres" "server" .Values.source.existing "password" $password.source) | fromJson) -}}
{{- end -}}

{{- if .Values.ledger.enabled -}}
  {{- $_ := set $all $ids.ledger (dict "conn_type" "postgres" "host" $postgresql "port" 5432 "login" "ledger" "password" $password.ledger "schema" "ledger") -}}
{{- else if .Values.ledger.existing.host -}}
  {{- $_ := set $all $ids.ledger (include "switchyard.existing" (dict "type" "postgres" "server" .Values.ledger.existing "password" $password.ledger) | fromJson) -}}
{{- end -}}

{{- if .Values.hdfs.enabled -}}
  {{- $host := include "switchyard.host" (dict "root" . "part" "namenode") -}}
  {{- $_ := set $all $ids.hdfs (dict "conn_type" "hdfs" "host" $host "port" 8020 "login" .Values.hdfs.user "extra" (dict "webhdfs_port" 9870)) -}}
{{- else if .Values.hdfs.existing.host -}}
  {{- $_ := set $all $ids.hdfs (dict "conn_type" "hdfs" "host" .Values.hdfs.existing.host "port" .Values.hdfs.existing.port "login" .Values.hdfs.user) -}}
{{- end -}}

{{- if .Values.metastore.enabled -}}
  {{- $host := include "switchyard.host" (dict "root" . "part" "metastore") -}}
  {{- $_ := set $all $ids.metastore (dict "conn_type" "hive_metastore" "host" $host "port" 9083 "extra" (dict "auth_mechanism" "NOSASL")) -}}
{{- else if .Values.metastore.existing.host -}}
  {{- $_ := set $all $ids.metastore (include "switchyard.existing" (dict "type" "hive_metastore" "server" .Values.metastore.existing "password" "") | fromJson) -}}
{{- end -}}

{{- if .Values.hive.enabled -}}
  {{- $host := include "switchyard.host" (dict "root" . "part" "hiveserver2") -}}
  {{- $_ := set $all $ids.hive (dict "conn_type" "hiveserver2" "host" $host "port" 10000 "login" .Values.hdfs.user "schema" "default" "extra" (dict "auth_mechanism" "NOSASL")) -}}
{{- else if .Values.hive.existing.host -}}
  {{- $_ := set $all $ids.hive (include "switchyard.existing" (dict "type" "hiveserver2" "server" .Values.hive.existing "password" $password.hive) | fromJson) -}}
{{- end -}}

{{- if .Values.mongodb.enabled -}}
  {{- $extra := dict "authSource" "admin" "replicaSet" "switchyard" -}}
  {{- $_ := set $all $ids.mongodb (dict "conn_type" "mongo" "host" (include "switchyard.mongodbMembers" .) "login" .Values.mongodb.login "password" $password.mongodb "schema" .Values.mongodb.database "extra" $extra) -}}
{{- else if .Values.mongodb.existing.host -}}
  {{- $_ := set $all $ids.mongodb (include "switchyard.existing" (dict "type" "mongo" "server" .Values.mongodb.existing "password" $password.mongodb) | fromJson) -}}
{{- end -}}

{{- if .Values.redis.enabled -}}
  {{- $host := include "switchyard.host" (dict "root" . "part" "redis") -}}
  {{- $_ := set $all $ids.redis (dict "conn_type" "redis" "host" $host "port" 6379 "password" $password.redis "extra" (dict "db" 0)) -}}
{{- else if .Values.redis.existing.host -}}
  {{- $_ := set $all $ids.redis (include "switchyard.existing" (dict "type" "redis" "server" .Values.redis.existing "password" $password.redis) | fromJson) -}}
{{- end -}}

{{- if .Values.catalog.url -}}
  {{- $_ := set $all $ids.catalog (dict "conn_type" "datahub-rest" "host" .Values.catalog.url "password" $password.catalog) -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{/* Airflow's fields of a server that exists already. */}}
{{- define "switchyard.existing" -}}
{{- $fields := dict "conn_type" .type "host" .server.host "port" .server.port -}}
{{- with .server.login -}}{{- $_ := set $fields "login" . -}}{{- end -}}
{{- with .password -}}{{- $_ := set $fields "password" . -}}{{- end -}}
{{- with .server.database -}}{{- $_ := set $fields "schema" . -}}{{- end -}}
{{- with .server.extra -}}{{- $_ := set $fields "extra" . -}}{{- end -}}
{{- toJson $fields -}}
{{- end }}

{{- define "switchyard.connectionsName" -}}
{{ .Values.connections.existingSecret | default (printf "%s-connections" .Release.Name) }}
{{- end }}
